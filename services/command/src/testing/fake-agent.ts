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

interface Note {
  /** `started` without an outcome after a crash means that nobody knows how far it came. */
  state: 'started' | ReportedState;
  code: string;
  kept: boolean;
  nextReportMs: number;
  delayMs: number;
}

/** What a test decides about how an agent fares. */
export interface AgentHabits {
  /** How long it takes from acceptance to start, and from start to end. */
  readonly laneMs: () => number;
  readonly runMs: () => number;
  readonly outcome: () => ReportedState;
}

const PROMPT: AgentHabits = { laneMs: () => 0, runMs: () => 0, outcome: () => 'succeeded' };

/** An agent as the docs describe it, with a disk that survives its crashes. Time moves when `tick` is called. */
export class FakeAgent {
  readonly agentId: AgentId;
  readonly org: OrgId;
  readonly num: number;
  /** How often each target was started: the test's own record, which the agent does not read. */
  readonly starts = new Map<string, number>();
  /** Refuses everything as if it could not check the signature. */
  distrusts = false;
  /** Checks nothing: for tests with so many agents in one process that their checks would be what is measured. */
  trusts = false;
  report: ((report: FakeReport) => void) | undefined;
  readonly #clock: Clock;
  readonly #habits: AgentHabits;
  readonly #verifier: CommandVerifier;
  /** The disk. */
  readonly #ledger = new Map<string, Note>();
  /** Memory: accepted or running, and when the next thing happens. */
  #lanes = new Map<
    string,
    { readonly delivery: FakeDelivery; dueMs: number; running: boolean; readonly expiresMs: number }
  >();

  constructor(options: {
    readonly agentId: AgentId;
    readonly org: OrgId;
    readonly num: number;
    readonly clock: Clock;
    readonly roots: readonly { kid: string; x: string }[];
    readonly habits?: Partial<AgentHabits>;
  }) {
    ({ agentId: this.agentId, org: this.org, num: this.num } = options);
    this.#clock = options.clock;
    this.#habits = { ...PROMPT, ...options.habits };
    this.#verifier = new CommandVerifier({ roots: options.roots });
  }

  startsOf(id: CommandId, number: number): number {
    return this.starts.get(`${id}/${number}`) ?? 0;
  }

  /** What its disk says. */
  outcomeOf(id: CommandId, number: number): ReportedState | 'started' | undefined {
    return this.#ledger.get(`${id}/${number}`)?.state;
  }

  deliver(delivery: FakeDelivery): void {
    const { id, number } = delivery;
    const key = `${id}/${number}`;
    const note = this.#ledger.get(key);
    const lane = this.#lanes.get(key);
    if (lane !== undefined) return this.#say(id, number, lane.running ? 'running' : 'accepted', '');
    if (note !== undefined) return this.#repeat(key, note);
    const refusal = this.#refusal(delivery);
    if (typeof refusal === 'string') return this.#say(id, number, 'refused', refusal, false);
    const nowMs = this.#clock.now();
    if (nowMs >= refusal.expiresMs) return this.#settle(key, 'expired', 'expired');
    this.#lanes.set(key, { delivery, running: false, dueMs: nowMs + this.#habits.laneMs(), ...refusal });
    this.#say(id, number, 'accepted', '');
    this.tick();
  }

  cancel(id: CommandId, number: number): void {
    const key = `${id}/${number}`;
    const note = this.#ledger.get(key);
    const lane = this.#lanes.get(key);
    if (note !== undefined && note.state !== 'started') return this.#repeat(key, note);
    // What runs was begun; this model's actions do not listen and end in their own time.
    if (lane?.running === true) return this.#say(id, number, 'running', '');
    this.#lanes.delete(key);
    this.#settle(key, 'cancelled', 'cancelled');
  }

  kept(id: CommandId, number: number): void {
    const note = this.#ledger.get(`${id}/${number}`);
    if (note !== undefined && note.state !== 'started') note.kept = true;
  }

  /** The session is there: what is not kept is told again. */
  connected(report: (report: FakeReport) => void): void {
    this.report = report;
    for (const [key, note] of this.#ledger) if (!note.kept) this.#repeat(key, note);
  }

  /** The process dies and comes back. */
  crash(): void {
    this.report = undefined;
    this.#lanes = new Map();
    for (const [key, note] of this.#ledger) {
      if (note.state === 'started') this.#settle(key, 'failed', 'interrupted');
    }
  }

  tick(): void {
    const nowMs = this.#clock.now();
    for (const [key, lane] of this.#lanes) if (lane.dueMs <= nowMs) this.#advance(key, lane, nowMs);
    for (const [key, note] of this.#ledger) {
      if (note.kept || note.state === 'started' || note.nextReportMs > nowMs) continue;
      note.delayMs = Math.min(note.delayMs * 2, 30_000);
      note.nextReportMs = nowMs + note.delayMs;
      this.#repeat(key, note);
    }
  }

  #advance(
    key: string,
    lane: { readonly delivery: FakeDelivery; dueMs: number; running: boolean; readonly expiresMs: number },
    nowMs: number,
  ): void {
    const { id, number } = lane.delivery;
    if (lane.running) {
      this.#lanes.delete(key);
      return this.#settle(key, this.#habits.outcome(), 'done');
    }
    if (nowMs >= lane.expiresMs) {
      this.#lanes.delete(key);
      return this.#settle(key, 'expired', 'expired');
    }
    this.#ledger.set(key, { state: 'started', code: '', kept: false, nextReportMs: 0, delayMs: 1_000 });
    this.starts.set(key, (this.starts.get(key) ?? 0) + 1);
    lane.running = true;
    lane.dueMs = nowMs + this.#habits.runMs();
    this.#say(id, number, 'running', '');
    if (lane.dueMs <= nowMs) this.#advance(key, lane, nowMs);
  }

  /** Why the delivery is not believed, or when it expires. */
  #refusal({ id, number, jws, keys, proof, binding }: FakeDelivery): string | { readonly expiresMs: number } {
    if (this.distrusts) return 'bad_signature';
    if (this.trusts) return { expiresMs: Number.POSITIVE_INFINITY };
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
    const note = { state, code, kept: false, nextReportMs, delayMs: 1_000 };
    this.#ledger.set(key, note);
    this.#repeat(key, note);
  }

  #repeat(key: string, { state, code }: Note): void {
    if (state === 'started') return;
    const [id, number] = key.split('/') as [CommandId, string];
    this.#say(id, Number(number), state, code);
  }

  #say(id: CommandId, number: number, state: ReportedState, code: string, authentic = true): void {
    this.report?.({ id, number, state, code, message: '', authentic });
  }
}
