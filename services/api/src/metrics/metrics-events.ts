import type { MetricsEventJson } from '@muster/api-contract';
import type { Sample } from '@muster/host-metrics';
import type { AgentId, ProcessesBody } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import type { StreamItem } from '../http/viewers.js';
import { processesJson, timeText, valuesJson } from './metrics-json.js';
import type { ColumnScratch } from './past-columns.js';
import { item, SampleWriter } from './sample-writer.js';
import type { WatchHub } from './watch-hub.js';
import type { Minute, WatchListener } from './watched-endpoint.js';

export interface MetricsEventsOptions {
  readonly hub: Pick<WatchHub, 'watch'>;
  readonly clock: Clock;
  readonly agentId: AgentId;
  /** Whether nobody holds the endpoint; `undefined` when it is not known. */
  readonly isAway: () => Promise<boolean | undefined>;
  readonly pastMs: number;
  readonly minutesMs: number;
  readonly layout: 'samples' | 'columns';
  readonly scratch: ColumnScratch;
  /** The time of the last sample that the viewer has; 0 for none. */
  readonly afterMs: number;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

/** How long a viewer waits for the endpoint's history before it is shown what there is. */
const HISTORY_MS = 3_000;
/** Events that wait for a slow viewer; then the oldest are left out, and the viewer sees a gap. */
const MAX_WAITING = 120;

type Waiting =
  { readonly kind: 'sample'; readonly sample: Sample } | { readonly kind: 'event'; readonly event: MetricsEventJson };

/** The events of one viewer: the endpoint's past, then what comes. Ends when the viewer goes. */
export async function* metricsEvents(options: MetricsEventsOptions): AsyncGenerator<StreamItem> {
  const { hub, clock, agentId, signal, heartbeatMs } = options;
  const queue = new EventQueue();
  const watch = hub.watch(agentId, queue, { withMinutes: options.minutesMs > 0 });
  const { endpoint } = watch;
  const writer = new SampleWriter(options.afterMs, options.scratch);
  try {
    void options.isAway().then((isAway) => {
      if (isAway === true) endpoint.away();
    });
    if (endpoint.state !== undefined) queue.state(endpoint.state);
    const history = endpoint.history({ forMinutes: options.minutesMs > 0 });
    const deadlineMs = clock.monotonic() + HISTORY_MS;
    let isPast = true;
    while (!signal.aborted) {
      if (isPast) {
        const leftMs = deadlineMs - clock.monotonic();
        const isHere = await within(clock, history, Math.min(heartbeatMs, Math.max(leftMs, 0)));
        isPast = !isHere && leftMs > 0 && endpoint.state !== 'away';
        if (isPast) yield { kind: 'idle' };
        else {
          // What waits is in the past that is shown now.
          queue.dropSamples();
          yield* pastItems(endpoint, writer, options);
        }
        continue;
      }
      const next = await queue.next(clock, heartbeatMs);
      if (next === undefined) yield { kind: 'idle' };
      else if (next.kind === 'event') yield item(next.event);
      else yield* writer.live(next.sample);
    }
  } finally {
    watch.end();
  }
}

function* pastItems(
  endpoint: ReturnType<WatchHub['watch']>['endpoint'],
  writer: SampleWriter,
  { pastMs, minutesMs, layout }: MetricsEventsOptions,
): Generator<StreamItem> {
  const nowMs = endpoint.past.newestMs;
  const afterMs = writer.resume(nowMs);
  if (minutesMs > 0) {
    const minutes = endpoint.minutesAfter(Math.max(nowMs - minutesMs, afterMs));
    yield* layout === 'columns' ? minuteColumns(minutes, writer) : minuteItems(minutes, writer);
  }
  const seconds = endpoint.past.after(nowMs - pastMs);
  yield* layout === 'columns' ? writer.columns(seconds) : writer.samples(seconds);
}

function* minuteItems(minutes: readonly Minute[], writer: SampleWriter): Generator<StreamItem> {
  for (const { statistic, sample } of minutes) {
    yield* writer.named(sample.shape);
    const values = valuesJson(sample);
    yield { ...item({ event: 'minute', seq: null, at: timeText(sample.atMs), statistic, values }), hasMore: true };
  }
}

function* minuteColumns(minutes: readonly Minute[], writer: SampleWriter): Generator<StreamItem> {
  for (const kind of ['mean', 'lowest', 'highest'] as const) {
    const its = minutes.filter(({ statistic }) => statistic === kind).map(({ sample }) => sample);
    yield* writer.minuteColumns(kind, its);
  }
}

/** What came since the viewer last read. */
class EventQueue implements WatchListener {
  #waiting: Waiting[] = [];
  #wake: (() => void) | undefined;

  sample(sample: Sample): void {
    this.#push({ kind: 'sample', sample });
  }

  processes(processes: ProcessesBody): void {
    this.#push({ kind: 'event', event: processesJson(processes) });
  }

  state(state: 'watched' | 'away'): void {
    // What it was before, nobody needs to know.
    this.#waiting = this.#waiting.filter((waiting) => waiting.kind === 'sample' || waiting.event.event !== 'state');
    this.#push({ kind: 'event', event: { event: 'state', seq: null, state } });
  }

  dropSamples(): void {
    this.#waiting = this.#waiting.filter(({ kind }) => kind !== 'sample');
  }

  async next(clock: Clock, withinMs: number): Promise<Waiting | undefined> {
    if (this.#waiting.length === 0) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      await within(clock, woken, withinMs);
    }
    return this.#waiting.shift();
  }

  #push(waiting: Waiting): void {
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
    this.#waiting.push(waiting);
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** Whether it resolves within the time. */
async function within(clock: Clock, done: Promise<void>, ms: number): Promise<boolean> {
  let timer: ReturnType<Clock['setTimeout']> | undefined;
  const late = new Promise<false>((resolve) => (timer = clock.setTimeout(() => resolve(false), ms)));
  try {
    return await Promise.race([done.then(() => true as const), late]);
  } finally {
    clock.clear(timer);
  }
}
