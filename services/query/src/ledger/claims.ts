import type { GatewayId } from '@muster/protocol';
import type { Failure } from '@muster/records';

/** A second gateway says that it asks an endpoint which the first has not settled yet. */
export interface Claim {
  readonly gateway: number;
  /** What it has brought. */
  held?: { readonly rows: Uint8Array } | { readonly failure: Failure };
}

interface EarlyAnswer {
  readonly gateway: GatewayId;
  readonly rows: Uint8Array;
}

/** Held answers are rare, those of endpoints that moved while the query ran; beyond this they are refused. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** Endpoints that more than one gateway asks, and answers that wait until it is decided whose counts. */
export class Claims {
  readonly #claims = new Map<number, Claim>();
  /** Answers of endpoints that joined before all first reports were in. */
  readonly #early = new Map<number, EarlyAnswer>();
  #heldBytes = 0;

  of(num: number): Claim | undefined {
    return this.#claims.get(num);
  }

  /** The newest claim counts, except that one which brought something stays. */
  make(num: number, gateway: number): Claim {
    const known = this.#claims.get(num);
    if (known !== undefined && (known.gateway === gateway || known.held !== undefined)) return known;
    const claim: Claim = { gateway };
    this.#claims.set(num, claim);
    return claim;
  }

  /** Takes a claim out, with what it has brought. */
  take(num: number): Claim | undefined {
    const claim = this.#claims.get(num);
    if (claim === undefined) return undefined;
    this.#claims.delete(num);
    if (claim.held !== undefined && 'rows' in claim.held) this.#heldBytes -= claim.held.rows.length;
    return claim;
  }

  /** This gateway brings nothing any more. */
  dropEmptyOf(gateway: number): void {
    for (const [num, claim] of this.#claims)
      if (claim.gateway === gateway && claim.held === undefined) this.#claims.delete(num);
  }

  /** Keeps the rows that a claim has brought; false when it has brought something before, or too much is held. */
  hold(claim: Claim, rows: Uint8Array): boolean {
    if (claim.held !== undefined || !this.#hasRoom(rows)) return false;
    // A copy: a view would keep the whole message alive.
    claim.held = { rows: rows.slice() };
    return true;
  }

  /** Keeps an answer until all first reports are in; false when there is one of this endpoint, or too much is held. */
  holdEarly(gateway: GatewayId, num: number, rows: Uint8Array): boolean {
    if (this.#early.has(num) || !this.#hasRoom(rows)) return false;
    this.#early.set(num, { gateway, rows: rows.slice() });
    return true;
  }

  /** Takes out all early answers. */
  takeEarly(): (readonly [num: number, answer: EarlyAnswer])[] {
    const answers = [...this.#early];
    this.#early.clear();
    for (const [, { rows }] of answers) this.#heldBytes -= rows.length;
    return answers;
  }

  #hasRoom(rows: Uint8Array): boolean {
    if (this.#heldBytes + rows.length > MAX_HELD_BYTES) return false;
    this.#heldBytes += rows.length;
    return true;
  }
}
