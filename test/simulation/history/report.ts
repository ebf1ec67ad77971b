import type { Fault, Move, Plan } from '../plans/plan.js';
import type { History } from './run-history.js';

const seconds = (ms: number): string => (ms / 1_000).toFixed(3).padStart(8);

/** What a person reads of a history that broke a promise: which one, what was done to the system, and who saw what when. */
export function report(plan: Plan, history: History): string {
  const manners = plan.endpoints.map((manner, index) => `e${index + 1} ${manner}`).join(', ');
  return [
    ...history.violations.map(({ property, what }) => `NOT TRUE: ${property}\n  ${what}`),
    `${plan.gateways} gateways, ${plan.queries} query and ${plan.commands} command services, ${plan.apis} APIs, ${plan.postures} posture services, endpoints: ${manners}`,
    ...plan.faults.map((fault) => `  ${whenText(fault)} ${faultText(fault)}`),
    ...Object.entries(plan.polls).map(([name, ms]) => `  ${name} was told to poll every ${ms} ms`),
    ...plan.schedules.map(({ atMs, detail }) => `  ${seconds(atMs)} s  a scan is due (${detail})`),
    ...plan.moves.map((move) => `  ${seconds(move.atMs)} s  ${moveText(move)}`),
    ...Object.entries(plan.paces).map(([name, pace]) => `  the clock of ${name} goes at ${pace.toFixed(4)}`),
    'What happened (seconds, who, what):',
    ...history.timeline.map(({ atMs, who, what }) => `${seconds(atMs)}  ${who.padEnd(10)} ${what}`),
  ].join('\n');
}

const text = (ms: number): string => `${Math.round(ms)} ms`;

function whenText({ when }: Fault): string {
  if ('atMs' in when) return `${seconds(when.atMs)} s `;
  return `${text(when.afterMs)} after the ${when.nth}. "${when.moment}"`;
}

function moveText({ targets, mode, forMs }: Move): string {
  return `${targets.join(', ')} are told to use ${mode}${forMs === undefined ? '' : ` for ${forMs} ms`}`;
}

function faultText({ kind, target, forMs, way, byMs }: Fault): string {
  const who = target === 'self' ? 'who does that' : target;
  switch (kind) {
    case 'empty redis':
      return 'redis is emptied';
    case 'cut':
      return `${who} loses its connections`;
    case 'kill':
      return `${who} is killed, and back after ${text(forMs)}`;
    case 'freeze':
      return `${who} stands still for ${text(forMs)}`;
    case 'stall':
      return `the network of ${who} holds back what goes ${way === 'both' ? 'in and out' : way} for ${text(forMs)}`;
    case 'jump':
      return `the clock of ${who} is off by ${byMs} ms for ${text(forMs)}`;
    case 'no streams':
      return `${who} has no leader for its streams for ${text(forMs)}`;
    case 'full':
      return `${who} has no room for ${text(forMs)}`;
  }
}
