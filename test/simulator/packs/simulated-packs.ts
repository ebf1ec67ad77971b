import { decodeChecks, hashOfChecks } from '@muster/packs/checks';
import { encodeScanRow, packClaimsSchema, type CheckOutcome, type PackClaims, type PackTicket } from '@muster/protocol';
import { RowsAnswer, type EndedAnswer } from '../truth/answer.js';
import type { Machine } from '../machine/machine.js';
import { seededUnit } from '../machine/seeded.js';

/** What simulated endpoints say of the checks of a pack. */
export interface PackBehaviour {
  /** The share of checks that fail on an image; a tenth of the others do not apply. */
  readonly failing: number;
  /** Checks whose evidence is another one on each machine. */
  readonly unique: number;
}

export const NO_CHECKS: EndedAnswer = {
  ...{ kind: 'ended', outcome: 'error', code: 'no_checks' },
  message: 'the checks are missing',
};

const IMAGES = 40;

/**
 * Packs on simulated machines: outcomes by the seed, 40 images of machines, and some evidence of each machine alone.
 * Signatures are not verified here; real agents do that. Every machine asks for the checks of a pack once, as a real
 * one does.
 */
export class SimulatedPacks {
  readonly #behaviour: PackBehaviour;
  readonly #seed: number;
  /** By the text of the signature: a gateway sends all its agents the same. */
  readonly #claims = new Map<string, PackClaims | undefined>();
  readonly #known = new WeakMap<Machine, Set<string>>();
  readonly #verified = new Set<string>();
  readonly #rows = new Map<string, Uint8Array>();

  constructor(behaviour: PackBehaviour, seed: number) {
    this.#behaviour = behaviour;
    this.#seed = seed;
  }

  claimsOf({ jws }: PackTicket): PackClaims | undefined {
    if (!this.#claims.has(jws)) this.#claims.set(jws, readClaims(jws));
    return this.#claims.get(jws);
  }

  has(machine: Machine, { hash }: PackClaims): boolean {
    return this.#known.get(machine)?.has(hash) === true;
  }

  /** `false` for bytes that are not those of the hash, or are no checks. */
  take(machine: Machine, { hash, checks }: PackClaims, bytes: Uint8Array): boolean {
    // Read once: each of thousands of machines gets the same bytes.
    if (!this.#verified.has(hash)) {
      if (hashOfChecks(bytes) !== hash || decodeChecks(bytes)?.length !== checks) return false;
      this.#verified.add(hash);
    }
    const known = this.#known.get(machine) ?? new Set();
    this.#known.set(machine, known.add(hash));
    return true;
  }

  answer(machine: Machine, { hash, checks }: PackClaims): RowsAnswer {
    const image = machine.index % IMAGES;
    const rows = Array.from({ length: checks }, (_, check) =>
      check < this.#behaviour.unique ? this.#uniqueRow(machine, check) : this.#row(`${hash}/${image}`, check),
    );
    return new RowsAnswer([Buffer.concat(rows)], checks);
  }

  #uniqueRow(machine: Machine, check: number): Uint8Array {
    return encodeScanRow({
      check,
      outcome: 'fail',
      reason: null,
      evidence: JSON.stringify([{ host: machine.facts.host }]),
    });
  }

  #row(image: string, check: number): Uint8Array {
    const key = `${image}/${check}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      const outcome = this.#outcome(key);
      const evidence = outcome === 'fail' ? JSON.stringify([{ path: `/etc/${check}.conf`, mode: '0666' }]) : null;
      row = encodeScanRow({
        check,
        outcome,
        reason: outcome === 'not_applicable' ? 'not on this endpoint' : null,
        evidence,
      });
      this.#rows.set(key, row);
    }
    return row;
  }

  #outcome(key: string): CheckOutcome {
    const { failing } = this.#behaviour;
    const unit = seededUnit(this.#seed, key.length, key);
    if (unit < failing) return 'fail';
    return unit < failing + (1 - failing) / 10 ? 'not_applicable' : 'pass';
  }
}

function readClaims(jws: string): PackClaims | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const read = packClaimsSchema.safeParse(payload);
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}
