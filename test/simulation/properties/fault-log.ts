import type { FaultKind } from '../plans/plan.js';

/** A fault as it happened. */
interface Happened {
  readonly kind: FaultKind;
  readonly target: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A gateway renews its lease so often. */
const RENEWED_MS = 5_000;
/** Before then it is connected again, and its endpoints know that they have lost their sessions, whatever holds it back. */
const CUT_MS = 40_000;

/** Which faults happened when. */
export class FaultLog {
  readonly #faults: Happened[] = [];

  add(fault: Happened): void {
    this.#faults.push(fault);
  }

  /** Whether one was under way between these times. */
  touch(fromMs: number, toMs: number, isMeant: (target: string) => boolean = () => true): boolean {
    return this.#faults.some((fault) => isMeant(fault.target) && fault.fromMs <= toMs && fault.toMs >= fromMs);
  }

  /** Whether the wall clock of such a process was wrong for a while: what it decides by the time is wrong then too. */
  haveWrongClock(kindOfProcess: string): boolean {
    return this.#faults.some(({ kind, target }) => kind === 'jump' && target.startsWith(kindOfProcess));
  }

  /** Whether a gateway lost all its connections at once between these times: those to endpoints and that to the broker. */
  haveCutGateway(fromMs: number, toMs: number): boolean {
    return this.#faults.some(
      ({ kind, target, fromMs: atMs }) =>
        kind === 'cut' && target.startsWith('gateway-') && atMs >= fromMs - CUT_MS && atMs < toMs,
    );
  }

  /**
   * Whether a gateway may be unknown to whoever coordinates a question that is asked between these times: Redis has lost its data, a query
   * service is younger than that, and the gateway could not be heard since. No process and no broker is left that was told of it.
   */
  haveHiddenGateway(atMs: number, untilMs: number): boolean {
    const emptied = this.#faults.filter(({ kind, fromMs }) => kind === 'empty redis' && fromMs < untilMs);
    return emptied.some(({ fromMs: emptiedMs }) => {
      const isYoung = ({ kind, target, toMs }: Happened): boolean =>
        kind === 'kill' && target.startsWith('query-') && toMs > emptiedMs && toMs < untilMs;
      return this.#faults.filter(isYoung).some(({ toMs: startedMs }) => {
        return this.#faults.some(
          ({ kind, target, fromMs, toMs }) =>
            kind !== 'cut' &&
            target.startsWith('gateway-') &&
            fromMs < emptiedMs + RENEWED_MS &&
            toMs >= Math.max(startedMs, atMs),
        );
      });
    });
  }
}
