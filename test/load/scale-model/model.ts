import type { Role } from '../bench-scale/roles.js';
import type { Phase, StepFigures } from '../bench-scale/step-figures.js';
import { at, PROGRAMS, STORES, type Coefficients, type StoreRole } from './coefficients.js';

/** Sessions that one gateway is planned for; twice as many fit into 20,000 file descriptors only if it is not the last one. */
export const SESSIONS_PER_GATEWAY = 10_000;
/** Endpoints that one query, command or telemetry service is planned for. */
const ENDPOINTS_PER_SERVICE = 50_000;
/** For availability. */
const LEAST_GATEWAYS = 2;
/** Each gateway tells its count of targets, and then its answers in some parts. */
const REPORTS_PER_GATEWAY = 4;
/** A gateway's and a coordinator's heartbeat. */
const HEARTBEATS_PER_SECOND = 1 / 1.5;

/** What a fleet of this size is, and what one question to all of it takes. */
export interface Prediction {
  readonly endpoints: number;
  readonly gateways: number;
  /** Query, command and telemetry services each. */
  readonly services: number;
  /** Of endpoints, and of Muster's own processes to NATS and to Redis. */
  readonly connections: { readonly edge: number; readonly nats: number; readonly redis: number };
  /** Entries that name the gateway of an endpoint, and leases. */
  readonly redisEntries: number;
  /** Records of identities that NATS keeps: of the enrolment and of the first session. */
  readonly identityRecords: number;
  readonly heartbeatsPerSecond: number;
  readonly reports: number;
  readonly bytes: Readonly<Record<'group' | 'raw' | 'command', number>>;
  /** Seconds of processor time, of all processes of a role. */
  readonly cpuS: Readonly<Record<Phase, Readonly<Partial<Record<Role, number>>>>>;
  /** Of one process of each role. */
  readonly memoryBytes: Readonly<Record<StoreRole, number>>;
}

export function predict(coefficients: Coefficients, endpoints: number): Prediction {
  const gateways = Math.max(
    LEAST_GATEWAYS,
    Math.ceil(endpoints / SESSIONS_PER_GATEWAY) + (endpoints > SESSIONS_PER_GATEWAY ? 1 : 0),
  );
  const services = Math.max(1, Math.ceil(endpoints / ENDPOINTS_PER_SERVICE));
  // Query, command, telemetry; posture and API once each.
  const programs = gateways + 3 * services + 2;
  const cpu = (phase: Phase): Partial<Record<Role, number>> =>
    Object.fromEntries(PROGRAMS.map((role) => [role, at(coefficients.cpuUs[phase][role], endpoints) / 1e6]));
  const phases = Object.keys(coefficients.cpuUs) as Phase[];
  return {
    ...{ endpoints, gateways, services },
    connections: { edge: endpoints, nats: programs, redis: programs },
    redisEntries: endpoints + gateways,
    identityRecords: 2 * endpoints,
    heartbeatsPerSecond: (gateways + services) * HEARTBEATS_PER_SECOND,
    reports: gateways * REPORTS_PER_GATEWAY,
    bytes: {
      group: at(coefficients.bytes.group, endpoints),
      raw: at(coefficients.bytes.raw, endpoints),
      command: at(coefficients.bytes.command, endpoints),
    },
    cpuS: Object.fromEntries(phases.map((phase) => [phase, cpu(phase)])) as Prediction['cpuS'],
    memoryBytes: Object.fromEntries(
      STORES.map((role) => [role, memoryOf(coefficients, role, role === 'gateway' ? endpoints / gateways : endpoints)]),
    ) as Prediction['memoryBytes'],
  };
}

/** Every service but the gateway knows all endpoints, in each of its processes. */
function memoryOf({ memory }: Coefficients, role: StoreRole, endpoints: number): number {
  return at(memory[role], endpoints);
}

/** Seconds that a phase needs at least: its busiest process is one thread, and all of them share the processors. */
export function leastSeconds({ cpuS, gateways, services }: Prediction, phase: Phase, processors: number): number {
  const instances = (role: string): number =>
    role === 'gateway' ? gateways : ['query', 'command', 'telemetry'].includes(role) ? services : 1;
  const own = Object.entries(cpuS[phase]);
  // One question has one coordinator, and one command one service.
  const isShared = (role: string): boolean => role === 'gateway' || phase === 'enrol' || phase === 'connect';
  const busiest = Math.max(...own.map(([role, s]) => s / (isShared(role) ? instances(role) : 1)));
  return Math.max(busiest, own.reduce((sum, [, s]) => sum + s, 0) / processors);
}

export interface Comparison {
  readonly name: string;
  readonly predicted: number;
  readonly measured: number;
  /** Of the measured value. */
  readonly error: number;
}

/** What the coefficients say of a step that they were not made of, beside what was measured there. */
export function compare(coefficients: Coefficients, step: StepFigures): Comparison[] {
  const rows: [string, number, number][] = [];
  const muster = (phase: Phase): number =>
    PROGRAMS.reduce((sum, role) => sum + step.phases[phase].cpuMs[role] / 1_000, 0);
  for (const phase of ['enrol', 'connect', 'group', 'raw', 'command'] as const) {
    const predicted = PROGRAMS.reduce((sum, role) => sum + at(coefficients.cpuUs[phase][role], step.agents) / 1e6, 0);
    rows.push([`processor s, ${phase}`, predicted, muster(phase)]);
  }
  for (const phase of ['group', 'raw', 'command'] as const) {
    rows.push([
      `NATS KB, ${phase}`,
      at(coefficients.bytes[phase], step.agents) / 1_024,
      step.phases[phase].bytes / 1_024,
    ]);
  }
  for (const role of STORES) {
    const own = role === 'gateway' ? step.gateways : 1;
    const predicted = at(coefficients.memory[role], step.agents / own);
    rows.push([`MiB, ${role}`, predicted / 2 ** 20, step.fullBytes[role] / own / 2 ** 20]);
  }
  return rows.map(([name, predicted, measured]) => ({
    name,
    predicted,
    measured,
    error: Math.abs(predicted - measured) / measured,
  }));
}
