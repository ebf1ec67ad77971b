import { setTimeout as delay } from 'node:timers/promises';
import type { CpuMeter, CpuUse } from '../measure/process-cpu.js';
import { eventsOf, type ApiAccess, type ServerEvent } from '../measure/rest.js';

/** A chart of ten minutes at one sample a second; the newest may still be on their way. */
const FULL_CHART = 590;
/** A gateway asks an endpoint for its past no more often than every five seconds for one API process, and the watch must have ended. */
const AGAIN_MS = 12_000;

export type Layout = 'samples' | 'columns';

interface Chart {
  /** From the request until all of it was here. */
  readonly ms: number;
  readonly events: readonly ServerEvent[];
}

/** Opens the stream of one endpoint and resolves when its chart is full; then the stream is closed. */
async function fullChart(api: ApiAccess, agentId: string, layout: Layout): Promise<Chart> {
  const begin = performance.now();
  const events: ServerEvent[] = [];
  let samples = 0;
  for await (const { name, data } of eventsOf(api, `/v1/agents/${agentId}/metrics/stream?layout=${layout}`)) {
    if (name !== 'sample' && name !== 'past' && name !== 'series') continue;
    events.push({ name, data });
    if (name !== 'series') samples += name === 'sample' ? 1 : stepsOf(data);
    if (samples >= FULL_CHART) return { ms: performance.now() - begin, events };
  }
  throw new Error('unreachable');
}

/** How many samples a `past` event has, without reading all of it. */
function stepsOf(data: string): number {
  const from = data.indexOf('"stepsMs":[');
  return data.slice(from, data.indexOf(']', from)).split(',').length;
}

/**
 * Reads a chart: each viewer does that on a machine of its own, so that it is no part of the time. Returns that time.
 * Throws when something is missing.
 */
function checked({ ms, events }: Chart): number {
  let series = 0;
  for (const { name, data } of events) {
    const event = JSON.parse(data) as Partial<Record<'values' | 'columns' | 'series', readonly unknown[]>>;
    if (name === 'series') series = event.series?.length ?? 0;
    else if ((event.columns ?? event.values)?.length !== series) throw new Error('a sample does not fit its series');
  }
  return ms;
}

export interface WatchTimes {
  readonly oneMs: readonly number[];
  readonly atOnceMs: readonly number[];
  /** With `layout=samples`. */
  readonly asSamplesMs: readonly number[];
  /** Processor time in milliseconds that all of those at once took, by program: it does not depend on what else the machine does. */
  readonly atOnceCpu: CpuUse;
}

/**
 * Of so many endpoints one after the other, then of all at once. Each was watched once before: simulated agents make
 * their past when they are first asked for it.
 */
export async function watchTimes(api: ApiAccess, agents: readonly string[], cpu: CpuMeter): Promise<WatchTimes> {
  for (const agentId of agents) checked(await fullChart(api, agentId, 'columns'));
  await delay(AGAIN_MS);
  const oneMs: number[] = [];
  for (const agentId of agents.slice(0, 10)) oneMs.push(checked(await fullChart(api, agentId, 'columns')));
  await delay(AGAIN_MS);
  cpu.begin();
  const charts = await allAtOnce(api, agents, 'columns');
  cpu.end();
  const atOnceMs = charts.map(checked);
  await delay(AGAIN_MS);
  const asSamplesMs = (await allAtOnce(api, agents, 'samples')).map(checked);
  return { oneMs, atOnceMs, atOnceCpu: cpu.perRound(), asSamplesMs };
}

const allAtOnce = (api: ApiAccess, agents: readonly string[], layout: Layout): Promise<Chart[]> =>
  Promise.all(agents.map((agentId) => fullChart(api, agentId, layout)));
