import type { GatewayId } from '@muster/protocol';
import type { Failure } from '@muster/records';

/** A second gateway that was sent the query for an endpoint which the first one has not settled yet. */
export interface Contender {
  readonly gateway: number;
  /** What it has sent for the endpoint. */
  held?: { readonly rows: Uint8Array } | { readonly failure: Failure };
}

interface EarlyAnswer {
  readonly gateway: GatewayId;
  readonly rows: Uint8Array;
}

/** Held answers are rare: those of endpoints that moved while the query ran. Beyond this they are refused. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** Endpoints that more than one gateway asks, and the answers that are held until it is decided which one counts. */
export class ContestedEndpoints {
  readonly #contenders = new Map<number, Contender>();
  /** Answers of endpoints that joined before all first updates had arrived. */
  readonly #early = new Map<number, EarlyAnswer>();
  #heldBytes = 0;

  contender(num: number): Contender | undefined {
    return this.#contenders.get(num);
  }

  /** The newest contender replaces the previous one, unless that one has sent something already. */
  contend(num: number, gateway: number): Contender {
    const known = this.#contenders.get(num);
    if (known !== undefined && (known.gateway === gateway || known.held !== undefined)) return known;
    const contender: Contender = { gateway };
    this.#contenders.set(num, contender);
    return contender;
  }

  take(num: number): Contender | undefined {
    const contender = this.#contenders.get(num);
    if (contender === undefined) return undefined;
    this.#contenders.delete(num);
    if (contender.held !== undefined && 'rows' in contender.held) this.#heldBytes -= contender.held.rows.length;
    return contender;
  }

  /** The gateway is dead: removes it wherever it has sent nothing. */
  dropEmpty(gateway: number): void {
    for (const [num, contender] of this.#contenders) {
      if (contender.gateway === gateway && contender.held === undefined) this.#contenders.delete(num);
    }
  }

  /** Holds the rows of a contender; false when it has sent something before, or too much is held. */
  hold(contender: Contender, rows: Uint8Array): boolean {
    if (contender.held !== undefined || !this.#reserve(rows)) return false;
    // A copy: a view would keep the whole message in memory.
    contender.held = { rows: rows.slice() };
    return true;
  }

  /** Holds an answer until all first updates have arrived; false when this endpoint has one already, or too much is held. */
  holdEarly(gateway: GatewayId, num: number, rows: Uint8Array): boolean {
    if (this.#early.has(num) || !this.#reserve(rows)) return false;
    this.#early.set(num, { gateway, rows: rows.slice() });
    return true;
  }

  takeEarly(): (readonly [num: number, answer: EarlyAnswer])[] {
    const answers = [...this.#early];
    this.#early.clear();
    for (const [, { rows }] of answers) this.#heldBytes -= rows.length;
    return answers;
  }

  #reserve(rows: Uint8Array): boolean {
    if (this.#heldBytes + rows.length > MAX_HELD_BYTES) return false;
    this.#heldBytes += rows.length;
    return true;
  }
}
