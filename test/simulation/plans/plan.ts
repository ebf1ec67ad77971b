import type { SessionMode } from '@muster/protocol';
import type { ResultForm } from '@muster/records';

/** What an endpoint does with every question. */
export type Manner = 'rows' | 'empty' | 'error' | 'silent';

/**
 * When a fault happens: at a time, or so long after the n-th of these moments (`world/moments.ts`) since questions are asked. The target
 * `self` is who made the moment.
 */
export type When =
  { readonly atMs: number } | { readonly moment: string; readonly nth: number; readonly afterMs: number };

/** What may happen to a process or a broker. */
export type FaultKind =
  | 'kill'
  | 'freeze'
  /** The connection of this process to NATS breaks, and those of endpoints to a gateway. */
  | 'cut'
  /** Nothing gets through its network; what is sent meanwhile arrives then. One way, or both. */
  | 'stall'
  /** Its wall clock jumps by so much, and back after a while. */
  | 'jump'
  | 'empty redis'
  /** No room: what is new is refused (NATS: but for what is essential). */
  | 'full'
  /** JetStream has no leader: whatever is asked of streams is not answered, while messages go on. */
  | 'no streams';

export interface Fault {
  readonly kind: FaultKind;
  readonly target: string;
  readonly when: When;
  readonly forMs: number;
  /** Of a stall. */
  readonly way?: 'in' | 'out' | 'both';
  /** Of a jump. */
  readonly byMs?: number;
}

export interface Question {
  readonly atMs: number;
  readonly form: ResultForm;
  readonly timeoutMs: number;
  readonly cancelAfterMs?: number;
  /** It waits for absent endpoints until `timeoutMs` is over. */
  readonly isHunt?: true;
}

export interface OrderPlan {
  readonly atMs: number;
  readonly expiresInMs: number;
  readonly cancelAfterMs?: number;
  /** One target at first, then one more at a time. */
  readonly isRollout?: true;
  /** A second person must approve it, and does so after a while, or never. */
  readonly approval?: { readonly afterMs: number | undefined };
}

/** An operator tells endpoints which channel to use. */
export interface Move {
  readonly atMs: number;
  readonly targets: readonly string[];
  /** `default`: an earlier decision is taken back. */
  readonly mode: SessionMode | 'default';
  readonly intervalMs?: number;
  /** Only for so long. */
  readonly forMs?: number;
}

/** When a schedule is due for the first time, and its terms. */
export interface SchedulePlan {
  readonly atMs: number;
  readonly timeoutMs: number;
  readonly detail: 'checks' | 'endpoints';
}

/** Everything that is decided before a history begins. The same seed makes the same plan; a plan can be made smaller. */
export interface Plan {
  readonly seed: number;
  readonly gateways: number;
  readonly queries: number;
  readonly commands: number;
  readonly apis: number;
  readonly postures: number;
  readonly endpoints: readonly Manner[];
  readonly questions: readonly Question[];
  readonly orders: readonly OrderPlan[];
  readonly faults: readonly Fault[];
  /** Who was told before to poll, and how often. */
  readonly polls: Readonly<Record<string, number>>;
  readonly moves: readonly Move[];
  readonly schedules: readonly SchedulePlan[];
  /** How fast the clocks of some processes go: 1 is right. */
  readonly paces: Readonly<Record<string, number>>;
}
