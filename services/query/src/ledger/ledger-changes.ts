import { encodeNumberSet, type LedgerChanges, type ResultForm } from '@muster/records';
import { ANSWERED, EMPTY } from './endpoint-state.js';

/** Endpoints whose new state is not in the result stream yet, and that no other event names. Each is written about twice per query. */
export class UnwrittenChanges {
  readonly #form: ResultForm;
  #targeted: number[] = [];
  #empty: number[] = [];
  #answered: number[] = [];

  constructor(form: ResultForm) {
    this.#form = form;
  }

  /** Group form: how many endpoints have answered since the last {@link take} with their rows. */
  get answered(): number {
    return this.#answered.length;
  }

  note(num: number, state: number, isNew: boolean): void {
    if (isNew) this.#targeted.push(num);
    if (state === EMPTY) this.#empty.push(num);
    // In raw form the rows name their endpoint.
    if (state === ANSWERED && this.#form === 'group') this.#answered.push(num);
  }

  /** Removes and returns the changes, `undefined` when there are none; with those who answered only when their rows are written. */
  take(withAnswered: boolean): LedgerChanges | undefined {
    const answered = withAnswered ? this.#answered : [];
    const [targeted, empty] = [this.#targeted, this.#empty];
    if (targeted.length + empty.length + answered.length === 0) return undefined;
    this.#targeted = [];
    this.#empty = [];
    if (withAnswered) this.#answered = [];
    return {
      ...(targeted.length === 0 ? {} : { targeted: encodeNumberSet(targeted) }),
      ...(empty.length === 0 ? {} : { empty: encodeNumberSet(empty) }),
      ...(answered.length === 0 ? {} : { answered: encodeNumberSet(answered) }),
    };
  }
}
