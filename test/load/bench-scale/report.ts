import { fitLine, type Fit, type Point } from '../measure/linear-fit.js';
import { target, type Target } from '../measure/report.js';
import type { BenchReport } from '../measure/run-bench.js';
import { SERVICES, type Role, type Service } from './roles.js';
import { PHASES, type Phase, type StepFigures } from './step-figures.js';

/** What issue and operations guide promise for 100,000 endpoints on two cores, in seconds. */
const PROMISED_AT = 100_000;
const PROMISED_S = { enrol: 150, connect: 60, connectTls: 150, group: 3, raw: 6, reached: 12 };
const GATEWAY_BYTES = { plain: 1.5 * 1024, tls: 4 * 1024 };
const SERVICE_BYTES = 600;
/** Of a small fleet the start of its processes is most of the time. */
const LEAST_JUDGED = 5_000;
const TURN_MS = { p99: 20, longest: 100 };

interface Figure {
  readonly name: string;
  readonly unit: 's' | 'ms' | 'B';
  /** In the unit, of the whole fleet. */
  readonly of: (step: StepFigures) => number;
}

const totalCpuMs = (step: StepFigures, phase: Phase): number =>
  Object.values(step.phases[phase].cpuMs).reduce((sum, ms) => sum + ms, 0);

const NAMES: Readonly<Record<Phase, string>> = {
  enrol: 'enrol all',
  connect: 'connect all',
  group: 'group question complete',
  raw: 'raw question complete',
  look: 'slowest list or count',
  command: 'command, every outcome',
};

const FIGURES: readonly Figure[] = [
  ...PHASES.map((phase): Figure => ({ name: NAMES[phase], unit: 's', of: (step) => step.phases[phase].ms / 1_000 })),
  { name: 'command accepted', unit: 's', of: ({ acceptedMs }) => acceptedMs / 1_000 },
  { name: 'command reached', unit: 's', of: ({ reachedMs }) => reachedMs / 1_000 },
  ...PHASES.map((phase): Figure => {
    return { name: `processor, ${NAMES[phase]}`, unit: 's', of: (step) => totalCpuMs(step, phase) / 1_000 };
  }),
];

/** Resident bytes that the fleet added to a role, for each endpoint. */
export function bytesPerEndpoint(
  { agents, emptyBytes, fullBytes }: StepFigures,
  role: Service | 'nats' | 'redis',
): number {
  return (fullBytes[role] - emptyBytes[role]) / agents;
}

export function fitsOf(steps: readonly StepFigures[]): Map<string, Fit> {
  const points = (figure: Figure): Point[] => steps.map((step) => [step.agents, figure.of(step)]);
  return new Map(FIGURES.map((figure) => [figure.name, fitLine(points(figure))]));
}

export function report(steps: readonly StepFigures[]): Omit<BenchReport, 'document'> {
  const [first] = steps;
  if (first === undefined) throw new Error('no step was measured');
  const kind = first.tls ? 'TLS' : 'plain';
  const head = `${steps.map(({ agents }) => agents).join(', ')} endpoints, ${kind}; load of the machine at the end of each: ${steps.map(({ load }) => load.toFixed(1)).join(', ')}`;
  return {
    head,
    tables: [times(steps), memory(steps), cpuByRole(steps), traffic(steps), turns(steps)],
    targets: targets(steps),
    remarks: remarks(steps),
  };
}

function times(steps: readonly StepFigures[]): string[][] {
  const fits = fitsOf(steps);
  return [
    ['seconds', ...steps.map(({ agents }) => String(agents)), 'base', 'per 10,000', 'off the line', 'grows as n^'],
    ...FIGURES.map(({ name, of }) => {
      const fit = fits.get(name) as Fit;
      const line = [fit.base.toFixed(2), (fit.slope * 10_000).toFixed(3), `${(fit.error * 100).toFixed(0)} %`];
      return [name, ...steps.map((step) => of(step).toFixed(2)), ...line, fit.exponent.toFixed(2)];
    }),
  ];
}

function memory(steps: readonly StepFigures[]): string[][] {
  return [
    ['bytes for each endpoint', ...steps.map(({ agents }) => String(agents)), 'MiB without, with the fleet'],
    ...[...SERVICES, 'nats' as const, 'redis' as const].map((role) => [
      role,
      ...steps.map((step) => bytesPerEndpoint(step, role).toFixed(0)),
      steps.map((s) => `${mebibytes(s.emptyBytes[role])}, ${mebibytes(s.fullBytes[role])}`).join('; '),
    ]),
  ];
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/** Of the largest step. */
function cpuByRole(steps: readonly StepFigures[]): string[][] {
  const last = steps.at(-1) as StepFigures;
  const roles = Object.keys(last.phases.group.cpuMs) as Role[];
  const idle = roles.map((role) => (last.idleMsPerSecond[role] ?? 0).toFixed(0));
  return [
    [`processor ms, ${last.agents}`, ...roles, 'all', 'all, µs each'],
    ...PHASES.map((phase) => {
      const all = totalCpuMs(last, phase);
      const own = roles.map((role) => last.phases[phase].cpuMs[role].toFixed(0));
      return [NAMES[phase], ...own, all.toFixed(0), ((all * 1_000) / last.agents).toFixed(1)];
    }),
    ['a second without anything', ...idle, '', ''],
  ];
}

function traffic(steps: readonly StepFigures[]): string[][] {
  return [
    ['NATS, for each endpoint', ...steps.map(({ agents }) => String(agents))],
    ...PHASES.flatMap((phase) => [
      [`messages, ${NAMES[phase]}`, ...steps.map((s) => (s.phases[phase].messages / s.agents).toFixed(3))],
      [`bytes, ${NAMES[phase]}`, ...steps.map((s) => (s.phases[phase].bytes / s.agents).toFixed(1))],
    ]),
  ];
}

function turns(steps: readonly StepFigures[]): string[][] {
  const cell = ({ turns: all }: StepFigures, service: Service): string => {
    const { p99, longest, longestIn } = all[service];
    return `${p99.toFixed(1)}, ${longest.toFixed(0)} (${longestIn})`;
  };
  return [
    ['turns, processor ms: p99, longest', ...steps.map(({ agents }) => String(agents))],
    ...SERVICES.map((service) => [service, ...steps.map((step) => cell(step, service))]),
  ];
}

/** Against what is promised for 100,000: the share of it that a smaller fleet may take. */
function targets(steps: readonly StepFigures[]): Target[] {
  const last = steps.at(-1) as StepFigures;
  const share = last.agents / PROMISED_AT;
  const within = (name: string, ms: number, promisedS: number): Target[] =>
    last.agents < LEAST_JUDGED
      ? []
      : target(`${name}, ${last.agents}`, ms / 1_000, Number((promisedS * share).toFixed(2)), ' s');
  const { phases, tls, reachedMs } = last;
  const session = bytesPerEndpoint(last, 'gateway');
  return [
    ...within('enrol all', phases.enrol.ms, PROMISED_S.enrol),
    ...within('connect all', phases.connect.ms, tls ? PROMISED_S.connectTls : PROMISED_S.connect),
    ...within('group complete', phases.group.ms, PROMISED_S.group),
    ...within('raw complete', phases.raw.ms, PROMISED_S.raw),
    ...within('command reached', reachedMs, PROMISED_S.reached),
    ...target('gateway, for each session', session, tls ? GATEWAY_BYTES.tls : GATEWAY_BYTES.plain, ' B'),
    ...SERVICES.slice(1).flatMap((service) =>
      target(`${service}, for each endpoint`, bytesPerEndpoint(last, service), SERVICE_BYTES, ' B'),
    ),
    ...SERVICES.flatMap((service) => [
      ...target(`${service}, turns, p99`, last.turns[service].p99, TURN_MS.p99, ' ms'),
      ...target(`${service}, longest turn`, last.turns[service].longest, TURN_MS.longest, ' ms'),
    ]),
  ];
}

function remarks(steps: readonly StepFigures[]): string[] {
  if (steps.length < 2) return ['one step: what grows faster than the fleet cannot be said'];
  const not = [...fitsOf(steps)].filter(([, fit]) => !fit.isLinear);
  if (not.length === 0) return ['all of it is linear'];
  return not.map(
    ([name, { exponent, error }]) =>
      `not linear: ${name} (grows as n^${exponent.toFixed(2)}, ${(error * 100).toFixed(0)} % off the line)`,
  );
}
