import type { MetricsEventJson } from '@muster/api-contract';
import type { HistoryKind, Shape } from '@muster/host-metrics';
import type { StreamItem } from '../http/viewers.js';
import type { SampleView } from './endpoint-past.js';
import { seriesText, timeText, valuesJson } from './metrics-json.js';
import { type ColumnScratch, PastColumns } from './past-columns.js';
import { hasSameNames } from './same-names.js';

/** Samples further apart than this have a gap between them, when the endpoint is to send one a second. */
const GAP_MS = 10_000;

/** Writes the samples of one viewer in the order of their time, each once, and names their series before. */
export class SampleWriter {
  #shape: Shape | undefined;
  readonly #scratch: ColumnScratch;
  #lastMs: number;
  /** The time of the last sample that the viewer has, by a clock that was set back since. */
  #setBackMs: number | undefined;

  /** `afterMs`: the time of the last sample that the viewer has; 0 for none. */
  constructor(afterMs: number, scratch: ColumnScratch) {
    this.#lastMs = afterMs;
    this.#scratch = scratch;
  }

  /**
   * The time of the last sample that the viewer has by the clock as it is; 0 for none. `newestMs`: of the endpoint's
   * newest sample, 0 where none is known.
   */
  resume(newestMs: number): number {
    if (newestMs > 0 && this.#lastMs > newestMs + GAP_MS) {
      this.#setBackMs = this.#lastMs;
      this.#lastMs = 0;
    }
    return this.#lastMs;
  }

  *named(shape: Shape): Generator<StreamItem> {
    if (shape === this.#shape) return;
    const isSame = this.#shape !== undefined && hasSameNames(shape, this.#shape);
    this.#shape = shape;
    if (!isSame) yield { kind: 'event', name: 'series', pieces: [seriesText(shape)] };
  }

  /** Each sample as an event. */
  *samples(views: Iterable<SampleView>): Generator<StreamItem> {
    for (const view of views) if (view.atMs > this.#lastMs) yield* this.#sample(view, 'history');
  }

  /** All samples of one shape without a gap in one event. */
  *columns(views: Iterable<SampleView>): Generator<StreamItem> {
    const columns = new PastColumns('seconds', this.#scratch);
    for (const view of views) {
      if (view.atMs <= this.#lastMs) continue;
      const isGap = this.#isGap(view.atMs);
      if (isGap || !columns.fits(view)) yield* this.#flush(columns);
      if (isGap) yield this.#gap(view.atMs);
      this.#lastMs = view.atMs;
      columns.add(view);
    }
    yield* this.#flush(columns);
  }

  /** Minutes as columns. They are no samples, so that gaps and the order of samples are nothing to them. */
  *minuteColumns(kind: Exclude<HistoryKind, 'seconds'>, views: Iterable<SampleView>): Generator<StreamItem> {
    const columns = new PastColumns(kind, this.#scratch);
    for (const view of views) {
      if (!columns.fits(view)) yield* this.#flush(columns);
      columns.add(view);
    }
    yield* this.#flush(columns);
  }

  *live(view: SampleView): Generator<StreamItem> {
    // The clock of an endpoint may be set back: what comes live is shown whatever it says.
    if (view.atMs !== this.#lastMs) yield* this.#sample(view, 'live');
  }

  *#sample(view: SampleView, from: 'history' | 'live'): Generator<StreamItem> {
    const { shape, atMs } = view;
    yield* this.named(shape);
    if (this.#isGap(atMs)) yield this.#gap(atMs);
    this.#lastMs = atMs;
    const event = item({ event: 'sample', seq: atMs, at: timeText(atMs), from, values: valuesJson(view) });
    yield from === 'history' ? { ...event, hasMore: true } : event;
  }

  *#flush(columns: PastColumns): Generator<StreamItem> {
    const { shape } = columns;
    if (shape === undefined) return;
    yield* this.named(shape);
    const { json, id } = columns.finish();
    const event = { kind: 'event', name: 'past', pieces: [json] } as const;
    yield id === null ? event : { ...event, id };
  }

  #isGap(atMs: number): boolean {
    return this.#setBackMs !== undefined || (this.#lastMs > 0 && Math.abs(atMs - this.#lastMs) > GAP_MS);
  }

  #gap(atMs: number): StreamItem {
    const fromMs = this.#setBackMs ?? this.#lastMs;
    this.#setBackMs = undefined;
    return item({ event: 'gap', seq: null, from: timeText(fromMs), to: timeText(atMs) });
  }
}

export function item(event: MetricsEventJson): StreamItem & { readonly kind: 'event' } {
  const line = { kind: 'event', name: event.event, pieces: [JSON.stringify(event)] } as const;
  return event.seq === null ? line : { ...line, id: event.seq };
}
