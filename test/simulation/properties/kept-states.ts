import { EMPTY_LEDGER, type Ledger, type Outcome } from '@muster/protocol';
import { decodeNumberSet, readAnswerBlock, type ResultEvent } from '@muster/records';

type State = Outcome | 'waiting';

const HAS_ANSWERED: ReadonlySet<State | undefined> = new Set(['answered', 'empty']);

/**
 * How every endpoint stands after each event of a result stream, counted from what `LedgerChanges` says alone. It is written anew and not
 * taken from the product, whose own count is what is judged.
 */
export class KeptStates {
  readonly states = new Map<number, State>();
  /** How many answers with rows each endpoint has in the stream. */
  readonly rowsOf = new Map<number, number>();

  apply(event: ResultEvent): void {
    if (event.t === 'rows') {
      for (const { num, rows } of readAnswerBlock(event.answers)) {
        this.rowsOf.set(num, (this.rowsOf.get(num) ?? 0) + 1);
        this.states.set(num, rows.length > 0 ? 'answered' : 'empty');
      }
    } else if (event.t === 'failures') {
      for (const [num, outcome] of event.failures) this.states.set(num, outcome);
    } else if (event.t === 'recovered') {
      for (const num of event.numbers) if (!HAS_ANSWERED.has(this.states.get(num))) this.states.set(num, 'waiting');
    }
    if (!('changes' in event) || event.changes === undefined) return;
    const { targeted, empty, answered } = event.changes;
    for (const num of set(targeted)) if (!this.states.has(num)) this.states.set(num, 'waiting');
    for (const num of set(empty)) this.states.set(num, 'empty');
    for (const num of set(answered)) this.states.set(num, 'answered');
  }

  get ledger(): Ledger {
    const ledger: Record<string, number | undefined> = { ...EMPTY_LEDGER, targeted: this.states.size };
    for (const state of this.states.values()) ledger[state] = (ledger[state] ?? 0) + 1;
    return ledger as unknown as Ledger;
  }
}

const set = (bytes: Uint8Array | undefined): readonly number[] => (bytes === undefined ? [] : decodeNumberSet(bytes));
