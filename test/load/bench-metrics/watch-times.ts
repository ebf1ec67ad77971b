import { setTimeout as delay } from 'node:timers/promises';
import { eventsOf, type ApiAccess } from '../measure/rest.js';

/** A chart of ten minutes at one sample a second; the newest may still be on their way. */
const FULL_CHART = 590;
/** A gateway asks an endpoint for its past no more often than every five seconds for one API process, and the watch must have ended. */
const AGAIN_MS = 12_000;

/** Opens the stream of one endpoint and resolves when its chart is full, with the milliseconds since; then the stream is closed. */
export async function timeToFullChart(api: ApiAccess, agentId: string): Promise<number> {
  const begin = performance.now();
  let samples = 0;
  for await (const { name } of eventsOf(api, `/v1/agents/${agentId}/metrics/stream`)) {
    if (name === 'sample') samples += 1;
    if (samples >= FULL_CHART) return performance.now() - begin;
  }
  throw new Error('unreachable');
}

/** Of so many endpoints one after the other, then of all at once. Each was watched once before: simulated agents make their past when they are first asked for it. */
export async function watchTimes(
  api: ApiAccess,
  agents: readonly string[],
): Promise<{ readonly oneMs: readonly number[]; readonly atOnceMs: readonly number[] }> {
  for (const agentId of agents) await timeToFullChart(api, agentId);
  await delay(AGAIN_MS);
  const oneMs: number[] = [];
  for (const agentId of agents.slice(0, 10)) oneMs.push(await timeToFullChart(api, agentId));
  await delay(AGAIN_MS);
  const atOnceMs = await Promise.all(agents.map((agentId) => timeToFullChart(api, agentId)));
  return { oneMs, atOnceMs };
}
