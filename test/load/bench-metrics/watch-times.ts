import { setTimeout as delay } from 'node:timers/promises';
import type { CpuMeter, CpuUse } from '../measure/process-cpu.js';
import { eventsOf, type ApiAccess } from '../measure/rest.js';

/** A chart of ten minutes at one sample a second; the newest may still be on their way. */
const FULL_CHART = 590;
/** A gateway asks an endpoint for its past no more often than every five seconds for one API process, and the watch must have ended. */
const AGAIN_MS = 12_000;

export type Layout = 'samples' | 'columns';

/** Opens the stream of one endpoint and resolves when its chart is full and read, with the milliseconds since; then the stream is closed. */
export async function timeToFullChart(api: ApiAccess, agentId: string, layout: Layout = 'columns'): Promise<number> {
  const begin = performance.now();
  let [samples, series] = [0, 0];
  for await (const { name, data } of eventsOf(api, `/v1/agents/${agentId}/metrics/stream?layout=${layout}`)) {
    if (name !== 'sample' && name !== 'past' && name !== 'series') continue;
    const event = JSON.parse(data) as Partial<Record<'values' | 'stepsMs' | 'columns' | 'series', readonly unknown[]>>;
    if (name === 'series') series = event.series?.length ?? 0;
    else if ((event.columns ?? event.values)?.length !== series) throw new Error('a sample does not fit its series');
    else samples += event.stepsMs?.length ?? 1;
    if (samples >= FULL_CHART) return performance.now() - begin;
  }
  throw new Error('unreachable');
}

export interface WatchTimes {
  readonly oneMs: readonly number[];
  readonly atOnceMs: readonly number[];
  /** With `layout=samples`. */
  readonly asSamplesMs: readonly number[];
  /** Processor time in milliseconds that all of those at once took, by program: it does not depend on what else the machine does. */
  readonly atOnceCpu: CpuUse;
}

/** Of so many endpoints one after the other, then of all at once. Each was watched once before: simulated agents make their past when they are first asked for it. */
export async function watchTimes(api: ApiAccess, agents: readonly string[], cpu: CpuMeter): Promise<WatchTimes> {
  for (const agentId of agents) await timeToFullChart(api, agentId);
  await delay(AGAIN_MS);
  const oneMs: number[] = [];
  for (const agentId of agents.slice(0, 10)) oneMs.push(await timeToFullChart(api, agentId));
  await delay(AGAIN_MS);
  cpu.begin();
  const atOnceMs = await allAtOnce(api, agents, 'columns');
  cpu.end();
  await delay(AGAIN_MS);
  return { oneMs, atOnceMs, atOnceCpu: cpu.perRound(), asSamplesMs: await allAtOnce(api, agents, 'samples') };
}

const allAtOnce = (api: ApiAccess, agents: readonly string[], layout: Layout): Promise<number[]> =>
  Promise.all(agents.map((agentId) => timeToFullChart(api, agentId, layout)));
