import { CommandVerifier } from '@muster/identity';
import {
  verifyTarget,
  type AgentId,
  type Binding,
  type CommandId,
  type OrgId,
  type ReportedState,
} from '@muster/protocol';
import type { Clock } from '@muster/runtime';

export interface FakeDelivery {
  readonly id: CommandId;
  readonly number: number;
  readonly jws: string;
  readonly keys: string;
  readonly proof: Uint8Array;
  readonly binding: Binding | null;
}

export interface FakeReport {
  readonly id: CommandId;
  readonly number: number;
  readonly state: ReportedState;
  readonly code: string;
  readonly message: string;
  readonly authentic: boolean;
}

interface HistoryEntry {
  /** `started` after a crash means that the action was interrupted. */
  state: 'started' | ReportedState;
  code: string;
  acknowledged: boolean;
  nextReportMs: number;
  delayMs: number;
}

interface ActiveCommand {
  readonly delivery: FakeDelivery;
  readonly expiresMs: number;
  dueMs: number;
  running: boolean;
}

export interface AgentBehaviour {
  /** Time from acceptance to start, and from start to end. */
  readonly queueMs: () => number;
  readonly runMs: () => number;
  readonly outcome: () => ReportedState;
}

const IMMEDIATE: AgentBehaviour = { queueMs: () => 0, runMs: () => 0, outcome: () => 'succeeded' };

/** An agent after docs/protocol.md, with a disk that survives its crashes. It acts when `tick` is called. */
export class FakeAgent {
  readonly agentId: AgentId;
  readonly org: OrgId;
  readonly num: number;
  /** How often each target was started, for assertions; the agent does not read it. */
  readonly starts = new Map<string, number>();
  /** Refuses everything as if the signature were wrong. */
  refusesAll = false;
  /** Its disk is full: it cannot write down that it begins. */
  hasRoom = true;
  /** Verifies nothing: for tests whose many agents would make verification the bottleneck. */
  skipsVerification = false;
  report: ((report: FakeReport) => void) | undefined;
  readonly #clock: Clock;
  readonly #behaviour: AgentBehaviour;
  readonly #verifier: CommandVerifier;
  /** On disk. */
  readonly #history = new Map<string, HistoryEntry>();
  /** In memory: accepted or running commands, and when they go on. */
  #active = new Map<string, ActiveCommand>();

  constructor(options: {
    readonly agentId: AgentId;
    readonly org: OrgId;
    readonly num: number;
    readonly clock: Clock;
    readonly roots: readonly { kid: string; x: string }[];
    readonly behaviour?: Partial<AgentBehaviour>;
  }) {
    ({ agentId: this.agentId, org: this.org, num: this.num } = options);
    this.#clock = options.clock;
    this.#behaviour = { ...IMMEDIATE, ...options.behaviour };
    this.#verifier = new CommandVerifier({ roots: options.roots });
  }

  startsOf(id: CommandId, number: number): number {
    return this.starts.get(`${id}/${number}`) ?? 0;
  }

  /** The outcome on its disk. */
  outcomeOf(id: CommandId, number: number): ReportedState | 'started' | undefined {
    return this.#history.get(`${id}/${number}`)?.state;
  }

  deliver(delivery: FakeDelivery): void {
    const { id, number } = delivery;
    const key = `${id}/${number}`;
    const entry = this.#history.get(key);
    const active = this.#active.get(key);
    if (active !== undefined) return this.#report(id, number, active.running ? 'running' : 'accepted', '');
    if (entry !== undefined) return this.#repeat(key, entry);
    const verified = this.#verify(delivery);
    if (typeof verified === 'string') return this.#report(id, number, 'refused', verified, false);
    const nowMs = this.#clock.now();
    if (nowMs >= verified.expiresMs) return this.#settle(key, 'expired', 'expired');
    this.#active.set(key, { delivery, running: false, dueMs: nowMs + this.#behaviour.queueMs(), ...verified });
    this.#report(id, number, 'accepted', '');
    this.tick();
  }

  cancel(id: CommandId, number: number): void {
    const key = `${id}/${number}`;
    const entry = this.#history.get(key);
    const active = this.#active.get(key);
    if (entry !== undefined && entry.state !== 'started') return this.#repeat(key, entry);
    // A running action of this fake cannot be cancelled.
    if (active?.running === true) return this.#report(id, number, 'running', '');
    this.#active.delete(key);
    this.#settle(key, 'cancelled', 'cancelled');
  }

  acknowledge(id: CommandId, number: number): void {
    const entry = this.#history.get(`${id}/${number}`);
    if (entry !== undefined && entry.state !== 'started') entry.acknowledged = true;
  }

  /** A session begins: outcomes without acknowledgement are reported again. */
  connected(report: (report: FakeReport) => void): void {
    this.report = report;
    for (const [key, entry] of this.#history) if (!entry.acknowledged) this.#repeat(key, entry);
  }

  crash(): void {
    this.report = undefined;
    this.#active = new Map();
    for (const [key, entry] of this.#history) {
      if (entry.state === 'started') this.#settle(key, 'failed', 'interrupted');
    }
  }

  tick(): void {
    const nowMs = this.#clock.now();
    for (const [key, active] of this.#active) if (active.dueMs <= nowMs) this.#advance(key, active, nowMs);
    for (const [key, entry] of this.#history) {
      if (entry.acknowledged || entry.state === 'started' || entry.nextReportMs > nowMs) continue;
      entry.delayMs = Math.min(entry.delayMs * 2, 30_000);
      entry.nextReportMs = nowMs + entry.delayMs;
      this.#repeat(key, entry);
    }
  }

  #advance(key: string, active: ActiveCommand, nowMs: number): void {
    const { id, number } = active.delivery;
    if (active.running) {
      this.#active.delete(key);
      return this.#settle(key, this.#behaviour.outcome(), 'done');
    }
    if (nowMs >= active.expiresMs) {
      this.#active.delete(key);
      return this.#settle(key, 'expired', 'expired');
    }
    if (!this.hasRoom) {
      this.#active.delete(key);
      return this.#report(id, number, 'refused', 'ledger_unavailable');
    }
    this.#history.set(key, { state: 'started', code: '', acknowledged: false, nextReportMs: 0, delayMs: 1_000 });
    this.starts.set(key, (this.starts.get(key) ?? 0) + 1);
    active.running = true;
    active.dueMs = nowMs + this.#behaviour.runMs();
    this.#report(id, number, 'running', '');
    if (active.dueMs <= nowMs) this.#advance(key, active, nowMs);
  }

  /** Verifies a delivery: the code of a refusal, or when it expires. */
  #verify({ id, number, jws, keys, proof, binding }: FakeDelivery): string | { readonly expiresMs: number } {
    if (this.refusesAll) return 'bad_signature';
    if (this.skipsVerification) return { expiresMs: Number.POSITIVE_INFINITY };
    const accepted = this.#verifier.acceptKeys(keys);
    if (!accepted.ok) return accepted.reason;
    const verified = this.#verifier.verify(jws);
    if (!verified.ok) return verified.reason;
    const { claims, root } = verified;
    if (claims.jti !== id || claims.org !== this.org) return 'other_command';
    const leaf = { number, agentId: this.agentId, ...(binding === null ? {} : { binding }) };
    if (!verifyTarget(leaf, { root, size: claims.targets }, proof)) return 'not_a_target';
    return { expiresMs: claims.exp * 1_000 };
  }

  #settle(key: string, state: ReportedState, code: string): void {
    const nextReportMs = this.#clock.now() + 1_000;
    const entry = { state, code, acknowledged: false, nextReportMs, delayMs: 1_000 };
    this.#history.set(key, entry);
    this.#repeat(key, entry);
  }

  #repeat(key: string, { state, code }: HistoryEntry): void {
    if (state === 'started') return;
    const [id, number] = key.split('/') as [CommandId, string];
    this.#report(id, Number(number), state, code);
  }

  #report(id: CommandId, number: number, state: ReportedState, code: string, authentic = true): void {
    this.report?.({ id, number, state, code, message: '', authentic });
  }
}
