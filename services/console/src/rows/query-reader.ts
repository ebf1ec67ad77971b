import type { QueryEvent, QueryJson } from '@muster/api-contract';
import type { Link, StreamEvent } from '../stream/protocol.js';
import { FailureStore } from './failure-store.js';
import type { Phase, RowsState } from './protocol.js';
import { RowStore } from './row-store.js';
import { RowView } from './row-view.js';

const EMPTY = {
  query: undefined,
  ledger: undefined,
  polling: undefined,
  working: undefined,
  elapsedMs: 0,
  reduced: undefined,
  problem: undefined,
  since: undefined,
  synthesized: false,
};

/** Takes the events of one query and keeps what they say: rows, failures, ledger, how it ended. */
export class QueryReader {
  readonly store: RowStore;
  readonly view: RowView;
  readonly failures = new FailureStore();
  #phase: Phase = 'opening';
  #told: Pick<RowsState, keyof typeof EMPTY> = EMPTY;
  #lastSeq: number | undefined;
  /** Groups change their counts in place: a view of them is old from then on. */
  version = 0;

  constructor(store = new RowStore()) {
    this.store = store;
    this.view = new RowView(store);
  }

  get phase(): Phase {
    return this.#phase;
  }

  take(event: StreamEvent): void {
    if (this.#phase === 'ended' || this.#phase === 'refused') return;
    if (typeof event.seq === 'number') this.#lastSeq = event.seq;
    if (event.event === 'refused') {
      const { code, detail } = (event['problem'] ?? {}) as { code?: string; detail?: string };
      this.#phase = event['isPassing'] === true ? 'held' : 'refused';
      this.#tell({ problem: { code: code ?? 'internal', detail: detail ?? 'the stream was refused' } });
    } else if (event.event === 'stalled') {
      this.#phase = 'stalled';
      this.#tell({ since: Date.now() });
    } else if (event.event !== 'closed' && event.event !== 'heartbeat') {
      if (this.#phase !== 'streaming') this.#tell({ since: undefined, problem: undefined });
      this.#phase = 'streaming';
      this.#takeQueryEvent(event as unknown as QueryEvent);
    }
  }

  /** The connection of the stream was lost, or is there again. */
  takeLink(link: Link): void {
    if (this.#phase === 'ended' || this.#phase === 'refused') return;
    if (link.state === 'lost' || link.state === 'signed_out') {
      this.#phase = link.state;
      this.#tell({ since: link.state === 'lost' ? link.since : Date.now() });
    } else if (link.state === 'open' && (this.#phase === 'lost' || this.#phase === 'signed_out')) {
      this.#phase = this.#told.query === undefined ? 'opening' : 'streaming';
      this.#tell({ since: undefined });
    }
  }

  /** What a retry of this query has merged with the queries before it: replaces all rows. */
  replaceRows(fill: (store: RowStore) => void): void {
    this.store.begin(this.store.columns);
    fill(this.store);
    this.view.show(this.view.view);
    this.version += 1;
  }

  state(): RowsState {
    const { store, view, failures } = this;
    return {
      ...this.#told,
      phase: this.#phase,
      columns: store.columns,
      kept: store.length,
      dropped: store.dropped,
      length: view.length,
      pending: view.pending,
      version: this.version,
      failures: failures.size,
      failureGroups: failures.groups(),
      warnings: failures.warnings().slice(0, 200),
      lastSeq: this.#lastSeq,
    };
  }

  #takeQueryEvent(event: QueryEvent): void {
    switch (event.event) {
      case 'started':
        // A stream that begins anew says it again; what it had said before comes again too.
        this.store.begin(event.query.columns);
        this.failures.clear();
        this.view.show(this.view.view);
        this.version += 1;
        this.#tellQuery(event.query);
        break;
      case 'progress':
        this.#tell({
          ledger: event.ledger,
          polling: event.polling,
          working: event.working,
          elapsedMs: event.elapsedMs,
        });
        break;
      case 'rows':
        for (const answer of event.answers) this.store.add(answer, answer.rows);
        this.#tellLedger(event);
        break;
      case 'groups':
        if (this.store.addGroups(event.groups)) this.version += 1;
        this.#tellLedger(event);
        break;
      case 'failures':
        this.failures.add(event.failures);
        this.#tellLedger(event);
        break;
      case 'recovered':
        this.failures.recover(event.endpoints);
        this.#tellLedger(event);
        break;
      case 'warnings':
        this.failures.warn(event.warnings);
        break;
      case 'reduced':
        this.#tell({ reduced: event });
        break;
      case 'ended':
        this.#phase = 'ended';
        this.#tellQuery(event.query);
        this.#tell({ synthesized: event.synthesized === true });
        break;
      default:
        // Readers ignore events whose name they do not know.
        break;
    }
  }

  #tellQuery(query: QueryJson): void {
    this.#tell({ query, ledger: query.ledger, polling: query.polling, working: query.working });
  }
  #tellLedger({ ledger }: { readonly ledger?: RowsState['ledger'] }): void {
    if (ledger !== undefined) this.#tell({ ledger });
  }
  #tell(told: Partial<Pick<RowsState, keyof typeof EMPTY>>): void {
    this.#told = { ...this.#told, ...told };
  }
}
