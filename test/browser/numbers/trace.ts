import type { Browser, Page } from 'playwright-core';

/** What the browser's own tracing says of a page. Milliseconds. */
interface Numbers {
  /** Tasks of the main thread of 1 ms and more, by the processor time that they took. */
  readonly tasks: Spread;
  /** The same by the clock, which other programs on the machine make longer. */
  readonly tasksByClock: Spread;
  /** From an input of a person to the frame that shows what came of it (Event Timing), by the clock. */
  readonly interactions: Spread;
  /** The processor time of the main thread within each interaction: what the page itself does for it. */
  readonly interactionWork: Spread;
  /**
   * The share of the time of its tasks in which the main thread had a processor: far below 1, other programs had it,
   * and clocks tell of them.
   */
  readonly processorShare: number;
}

interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly most: number;
}

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  /** Microseconds: by the clock, and of the processor. */
  readonly dur?: number;
  readonly tdur?: number;
  readonly args: {
    readonly name?: string;
    readonly data?: { readonly interactionId?: number; readonly duration?: number; readonly type?: string };
  };
}

const CATEGORIES = ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'toplevel', '__metadata'];
const LEAST_TASK_US = 1_000;

/** Traces a page while something is done with it. */
export async function traced(browser: Browser, page: Page, work: () => Promise<void>): Promise<Numbers> {
  await browser.startTracing(page, { categories: CATEGORIES });
  let trace: Buffer;
  try {
    await work();
  } finally {
    trace = await browser.stopTracing();
  }
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: readonly TraceEvent[] };
  const pid = pageProcess(traceEvents);
  const main = traceEvents.find(
    (one) => one.name === 'thread_name' && one.pid === pid && one.args.name === 'CrRendererMain',
  );
  const tasks = traceEvents.filter(
    ({ name, ph, tid, pid: of }) => name === 'RunTask' && ph === 'X' && of === pid && tid === main?.tid,
  );
  const long = tasks.filter(({ dur = 0 }) => dur >= LEAST_TASK_US);
  const inputs = interactions(traceEvents.filter((one) => one.pid === pid));
  return {
    tasks: spread(long.map(({ tdur = 0 }) => tdur / 1_000)),
    tasksByClock: spread(long.map(({ dur = 0 }) => dur / 1_000)),
    interactions: spread(inputs.map(({ ms }) => ms)),
    interactionWork: spread(inputs.map((input) => workWithin(tasks, input))),
    processorShare: Math.round((100 * sum(long, 'tdur')) / sum(long, 'dur')) / 100,
  };
}

/** The renderer in which scripts of the page took inputs. */
function pageProcess(events: readonly TraceEvent[]): number | undefined {
  return events.find(({ name, args }) => name === 'EventTiming' && (args.data?.interactionId ?? 0) > 0)?.pid;
}

interface Interaction {
  /** When it began, microseconds of the trace. */
  readonly ts: number;
  readonly ms: number;
}

/** An interaction has several events; the longest counts, as in Interaction to Next Paint. */
function interactions(events: readonly TraceEvent[]): Interaction[] {
  const longest = new Map<number, Interaction>();
  for (const { name, ph, ts, args } of events) {
    const { interactionId = 0, duration: ms = 0 } = name === 'EventTiming' && ph === 'b' ? (args.data ?? {}) : {};
    if (interactionId > 0 && ms > (longest.get(interactionId)?.ms ?? 0)) longest.set(interactionId, { ts, ms });
  }
  return [...longest.values()];
}

/** The processor time of tasks within an interaction. Milliseconds. */
function workWithin(tasks: readonly TraceEvent[], { ts: from, ms }: Interaction): number {
  const to = from + ms * 1_000;
  return tasks.reduce((work, { ts, dur = 0, tdur = 0 }) => {
    const within = Math.max(0, Math.min(to, ts + dur) - Math.max(from, ts));
    return dur === 0 ? work : work + (tdur * within) / dur / 1_000;
  }, 0);
}

function sum(events: readonly TraceEvent[], of: 'dur' | 'tdur'): number {
  return events.reduce((all, event) => all + (event[of] ?? 0), 0);
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), most: round(sorted.at(-1) ?? 0) };
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
