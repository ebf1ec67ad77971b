import { NumberBits, type LedgerChanges, type ResultForm } from '@muster/records';
import { ANSWERED, EMPTY } from './endpoint-state.js';

/** Endpoints whose new state is not in the result stream yet, and that no other event names. Each is written about twice per query. */
export class UnwrittenChanges {
  readonly #form: ResultForm;
  #targeted = new NumberBits();
  #empty = new NumberBits();
  #answered = new NumberBits();

  constructor(form: ResultForm) {
    this.#form = form;
  }

  /** How many changes there are. */
  get size(): number {
    return this.#targeted.size + this.#empty.size + this.#answered.size;
  }

  /** Group form: how many endpoints have answered since the last {@link take} with their rows. */
  get answered(): number {
    return this.#answered.size;
  }

  note(num: number, state: number, isNew: boolean): void {
    if (isNew) this.#targeted.add(num);
    if (state === EMPTY) this.#empty.add(num);
    // In raw form the rows name their endpoint.
    if (state === ANSWERED && this.#form === 'group') this.#answered.add(num);
  }

  /** Removes and returns the changes, `undefined` when there are none; with those who answered only when their rows are written. */
  take(withAnswered: boolean): LedgerChanges | undefined {
    const [targeted, empty] = [this.#targeted, this.#empty];
    const answered = withAnswered ? this.#answered : new NumberBits();
    if (targeted.size + empty.size + answered.size === 0) return undefined;
    this.#targeted = new NumberBits();
    this.#empty = new NumberBits();
    if (withAnswered) this.#answered = new NumberBits();
    return {
      ...(targeted.size === 0 ? {} : { targeted: targeted.encode() }),
      ...(empty.size === 0 ? {} : { empty: empty.encode() }),
      ...(answered.size === 0 ? {} : { answered: answered.encode() }),
    };
  }
}
