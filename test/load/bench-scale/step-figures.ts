import type { Role, Service } from './roles.js';

/** What is done to the fleet, in this sequence. `look` reads lists, counts and labels as consoles do. */
export const PHASES = ['enrol', 'connect', 'group', 'raw', 'look', 'command'] as const;
export type Phase = (typeof PHASES)[number];

export interface PhaseFigures {
  /** From the viewer's or the fleet's side; of the phases that ask several times, the median. */
  readonly ms: number;
  /** Processor time of all processes of a role, once. */
  readonly cpuMs: Readonly<Record<Role, number>>;
  /** What NATS took in, once. */
  readonly messages: number;
  readonly bytes: number;
}

/** Turns of the event loop of a service, in milliseconds of processor time. */
export interface Turns {
  readonly p99: number;
  readonly longest: number;
  readonly longestIn: Phase | '';
}

export interface StepFigures {
  readonly agents: number;
  readonly gateways: number;
  readonly tls: boolean;
  readonly phases: Readonly<Record<Phase, PhaseFigures>>;
  /** Processor time in a second of silence, already taken off the phases. */
  readonly idleMsPerSecond: Partial<Readonly<Record<Role, number>>>;
  /** Of the commands to all: until it was accepted, and until every endpoint had confirmed it. */
  readonly acceptedMs: number;
  readonly reachedMs: number;
  /** Resident memory of all processes of a role: before the fleet came, and with it. */
  readonly emptyBytes: Readonly<Record<Service | 'nats' | 'redis', number>>;
  readonly fullBytes: Readonly<Record<Service | 'nats' | 'redis', number>>;
  readonly turns: Readonly<Record<Service, Turns>>;
  /** Runnable processes of the whole machine over a minute, at the end: other work beside makes times longer. */
  readonly load: number;
}
