import {
  encodeBody,
  encodeFrame,
  FRAME,
  type CommandBody,
  type ReportedState,
  type TerminalState,
} from '@muster/protocol';
import { ProcessClock } from '../world/process-clock.js';
import type { SimulatedProcess, World } from '../world/world.js';

/** One order to one endpoint, as `docs/protocol.md` names it. */
type Order = Pick<CommandBody, 'id' | 'number'>;

/** What an endpoint's disk says of an order. */
interface Kept extends Order {
  readonly startedAtMs: number | undefined;
  outcome: { readonly state: TerminalState; readonly code: string } | undefined;
  isReportKept: boolean;
}

const MOST_RUN_MS = 2_000;
/** How many orders wait before they begin. */
const QUEUED_SHARE = 0.3;
const REPEAT_MS = 1_500;

/**
 * Commands on one endpoint: the start is on its disk before the action begins, the outcome before it is reported, and a
 * report is repeated until it is kept. An order may wait in a queue first, which a kill empties. `runs` has when each
 * really began: nothing in it comes from a server.
 */
export class EndpointCommands {
  readonly runs = new Map<string, number[]>();
  readonly #world: World;
  readonly #process: SimulatedProcess;
  readonly #clock: ProcessClock;
  readonly #disk = new Map<string, Kept>();
  /** What runs in this life of the process. */
  readonly #running = new Set<string>();
  /** What it has accepted in this life and not begun. */
  readonly #queued = new Set<string>();
  #send: (frame: Uint8Array) => void = () => undefined;

  constructor(world: World, process: SimulatedProcess) {
    this.#world = world;
    this.#process = process;
    this.#clock = new ProcessClock(world, process);
  }

  outcome(command: string, number: number): TerminalState | undefined {
    return this.#disk.get(`${command}/${number}`)?.outcome?.state;
  }

  /** The process begins: what ran when it was killed is over, and nobody knows how far it came. */
  boot(): void {
    this.#running.clear();
    this.#queued.clear();
    this.#send = () => undefined;
    for (const kept of this.#disk.values()) kept.outcome ??= { state: 'failed', code: 'interrupted' };
    this.#clock.setInterval(() => this.#reportAll(), REPEAT_MS);
  }

  /** A session is ready. */
  connected(send: (frame: Uint8Array) => void): void {
    this.#send = send;
    this.#reportAll();
  }

  disconnected(): void {
    this.#send = () => undefined;
  }

  command({ id, number, jws }: CommandBody): void {
    const key = `${id}/${number}`;
    const known = this.#disk.get(key);
    if (known !== undefined)
      return known.outcome === undefined ? this.#report(known, 'running', '') : this.#repeat(known);
    if (this.#queued.has(key)) return this.#report({ id, number }, 'accepted', '');
    const isOver = (): boolean => expiryOf(jws) * 1_000 <= this.#clock.now();
    const expire = (): void =>
      this.#end({ id, number, startedAtMs: undefined, outcome: undefined, isReportKept: false }, 'expired');
    if (isOver()) return expire();
    if (!this.#world.random.chance(QUEUED_SHARE)) return this.#begin({ id, number });
    this.#queued.add(key);
    this.#report({ id, number }, 'accepted', '');
    this.#world.moments.happened('order waits', this.#process);
    this.#world.schedule(this.#process, this.#world.random.between(0, MOST_RUN_MS), () => {
      if (!this.#queued.delete(key)) return;
      if (isOver()) expire();
      else this.#begin({ id, number });
    });
  }

  #begin({ id, number }: Order): void {
    const key = `${id}/${number}`;
    const kept: Kept = { id, number, startedAtMs: this.#world.nowMs, outcome: undefined, isReportKept: false };
    this.#disk.set(key, kept);
    this.runs.set(key, [...(this.runs.get(key) ?? []), this.#world.nowMs]);
    this.#running.add(key);
    this.#report(kept, 'running', '');
    this.#world.schedule(this.#process, this.#world.random.between(0, MOST_RUN_MS), () => {
      if (this.#running.delete(key)) this.#end(kept, 'succeeded');
    });
  }

  cancel({ id, number }: Order): void {
    const key = `${id}/${number}`;
    const known = this.#disk.get(key);
    this.#queued.delete(key);
    if (known === undefined)
      return this.#end({ id, number, startedAtMs: undefined, outcome: undefined, isReportKept: false }, 'cancelled');
    if (this.#running.delete(key)) this.#end(known, 'cancelled');
  }

  reportKept({ id, number }: Order): void {
    const kept = this.#disk.get(`${id}/${number}`);
    if (kept?.outcome !== undefined) kept.isReportKept = true;
  }

  #end(kept: Kept, state: TerminalState): void {
    kept.outcome = { state, code: state === 'succeeded' ? 'ok' : state };
    this.#disk.set(`${kept.id}/${kept.number}`, kept);
    this.#world.note(`${kept.id}/${kept.number} ${state}`, this.#process);
    this.#repeat(kept);
  }

  #reportAll(): void {
    for (const kept of this.#disk.values()) if (!kept.isReportKept) this.#repeat(kept);
  }

  #repeat(kept: Kept): void {
    if (kept.outcome !== undefined) this.#report(kept, kept.outcome.state, kept.outcome.code);
  }

  #report({ id, number }: Order, state: ReportedState, code: string): void {
    const body = encodeBody('report', { id, number, state, code, message: '', authentic: true });
    this.#send(encodeFrame(FRAME.report, 0, body));
  }
}

/** Seconds since 1970. */
function expiryOf(jws: string): number {
  const claims = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as { readonly exp: number };
  return claims.exp;
}
