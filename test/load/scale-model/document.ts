import type { Phase, StepFigures } from '../bench-scale/step-figures.js';
import { coefficientsOf, PROGRAMS, slopeOf, STORES, type Coefficients } from './coefficients.js';
import { compare, leastSeconds, predict, type Prediction } from './model.js';

/** Sizes of the tables of the model. */
const SIZES = [10_000, 100_000, 1_000_000];
/** Sizes of the table of the operations guide. */
const PLANNED = [1_000, 15_000, 50_000, 100_000];
const ASKED: readonly Phase[] = ['group', 'raw', 'command'];
const NAMES: Readonly<Record<Phase, string>> = {
  enrol: 'enrol all',
  connect: 'connect all',
  group: 'a group question',
  raw: 'a raw question',
  look: 'lists, counts, labels, once each',
  command: 'a command to all',
};
/** Those of docs/operations.md; `docs/scale.md` has the others. */
export const BLOCKS = ['coefficients', 'comparison', 'roles', 'sizes', 'times', 'sizing'] as const;
type Block = (typeof BLOCKS)[number];

/** The tables that are computed from measured steps, as Markdown, by the names of their markers. */
export function blocksOf(steps: readonly StepFigures[]): Record<Block, string> {
  const coefficients = coefficientsOf(steps);
  return {
    coefficients: coefficientTable(coefficients),
    comparison: comparisonTable(steps),
    roles: roleTable(steps),
    sizes: sizeTable(SIZES.map((size) => predict(coefficients, size))),
    times: timeTable(SIZES.map((size) => predict(coefficients, size))),
    sizing: sizingTable(PLANNED.map((size) => predict(coefficients, size))),
  };
}

/** Puts tables between `<!-- scale:NAME -->` and `<!-- /scale:NAME -->`; a document has some of the markers. */
export function fillIn(document: string, blocks: Readonly<Record<Block, string>>): string {
  let filled = document;
  for (const name of BLOCKS) {
    const [open, close] = [`<!-- scale:${name} -->`, `<!-- /scale:${name} -->`];
    const [from, to] = [filled.indexOf(open), filled.indexOf(close)];
    if (from < 0 || to < from) continue;
    filled = `${filled.slice(0, from + open.length)}\n\n${blocks[name]}\n\n${filled.slice(to)}`;
  }
  return filled;
}

function coefficientTable({ cpuUs, memory, bytes }: Coefficients): string {
  const cpu = (phase: Phase): string =>
    PROGRAMS.reduce((sum, role) => sum + Math.max(0, slopeOf(cpuUs[phase][role])), 0).toFixed(0);
  return markdown([
    ['of each endpoint', 'measured'],
    ...(['enrol', 'connect', ...ASKED] as const).map((phase) => [
      `processor time of ${NAMES[phase]}`,
      `${cpu(phase)} µs`,
    ]),
    ...ASKED.map((phase) => [`bytes into NATS, ${NAMES[phase]}`, `${bytes[phase].slope.toFixed(0)} B`]),
    ...STORES.map((role) => {
      const { base, slope } = memory[role];
      return [`memory, ${role}`, `${slope.toFixed(0)} B, beside ${mebibytes(base)} of a process`];
    }),
  ]);
}

/** The largest step as the smaller ones say it. */
function comparisonTable(steps: readonly StepFigures[]): string {
  const last = steps.at(-1);
  if (last === undefined || steps.length < 2) return 'One step only: nothing to compare.';
  const from = steps.slice(0, -1);
  const rows = compare(coefficientsOf(from), last).map(({ name, predicted, measured, error }) => [
    ...[name, predicted.toPrecision(3), measured.toPrecision(3)],
    `${(error * 100).toFixed(0)} %`,
  ]);
  const sizes = from.map(({ agents }) => thousands(agents)).join(', ');
  return markdown([[`${thousands(last.agents)} endpoints`, `as ${sizes} say`, 'measured', 'error'], ...rows]);
}

/** How the processor time of Muster and its brokers is shared out, in the largest step. */
function roleTable(steps: readonly StepFigures[]): string {
  const last = steps.at(-1) as StepFigures;
  const phases = ['enrol', 'connect', ...ASKED] as const;
  return markdown([
    [`${thousands(last.agents)} endpoints`, ...PROGRAMS, 'together, s'],
    ...phases.map((phase) => {
      const own = PROGRAMS.map((role) => last.phases[phase].cpuMs[role]);
      const all = own.reduce((sum, ms) => sum + ms, 0);
      return [NAMES[phase], ...own.map((ms) => `${((100 * ms) / all).toFixed(0)} %`), (all / 1_000).toPrecision(3)];
    }),
  ]);
}

function sizeTable(all: readonly Prediction[]): string {
  const row = (name: string, of: (one: Prediction) => string): string[] => [name, ...all.map(of)];
  return markdown([
    ['endpoints', ...all.map(({ endpoints }) => thousands(endpoints))],
    row('gateways', ({ gateways }) => String(gateways)),
    row('query, command, telemetry services each', ({ services }) => String(services)),
    row('connections at the edge', ({ connections }) => thousands(connections.edge)),
    row('connections to NATS, and as many to Redis', ({ connections }) => String(connections.nats)),
    row('entries in Redis', ({ redisEntries }) => thousands(redisEntries)),
    row('records of identities in NATS', ({ identityRecords }) => thousands(identityRecords)),
    row('heartbeats a second', ({ heartbeatsPerSecond }) => heartbeatsPerSecond.toFixed(0)),
    row('reports of gateways to a question', ({ reports }) => thousands(reports)),
    ...ASKED.map((phase) =>
      row(`bytes into NATS, ${NAMES[phase]}`, ({ bytes }) => `${(bytes[phase as 'raw'] / 1e6).toFixed(1)} MB`),
    ),
    ...STORES.map((role) => row(`memory, ${role}, each process`, ({ memoryBytes }) => mebibytes(memoryBytes[role]))),
  ]);
}

/** What a phase needs at least on two processors as here, and on as many as there are processes. */
function timeTable(all: readonly Prediction[]): string {
  const cell = (one: Prediction, phase: Phase): string =>
    `${leastSeconds(one, phase, 2).toPrecision(2)} s, ${leastSeconds(one, phase, Number.POSITIVE_INFINITY).toPrecision(2)} s`;
  return markdown([
    ['on 2 processors, on enough of them', ...all.map(({ endpoints }) => thousands(endpoints))],
    ...(['enrol', 'connect', ...ASKED] as const).map((phase) => [NAMES[phase], ...all.map((one) => cell(one, phase))]),
  ]);
}

function sizingTable(all: readonly Prediction[]): string {
  return markdown([
    ['endpoints', 'gateways', 'memory of each', 'query, command, telemetry', 'memory of each', 'API', 'NATS', 'Redis'],
    ...all.map(({ endpoints, gateways, services, memoryBytes: memory }) => [
      ...[thousands(endpoints), String(gateways), mebibytes(memory.gateway)],
      `${Math.max(endpoints > 1_000 ? 2 : 1, services)} each`,
      (['query', 'command', 'telemetry'] as const).map((role) => mebibytes(memory[role])).join(', '),
      mebibytes(memory.api),
      `${endpoints > 1_000 ? '3 servers' : '1 server'}, ${mebibytes(memory.nats)}`,
      `1${endpoints > 1_000 ? ', and one to go to' : ''}, ${mebibytes(memory.redis)}`,
    ]),
  ]);
}

const thousands = (value: number): string => value.toLocaleString('en-US');
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

/** A table as prettier writes it. */
function markdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const widths = head.map((_, i) => Math.max(3, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}
