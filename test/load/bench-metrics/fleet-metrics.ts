import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Program, Stack } from '@muster/local';
import { startBenchStack, type StackBenchOptions } from '../fleet/bench-stack.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { turnMeterArgs, turnsOf } from '../measure/event-loop-turns.js';
import { CpuMeter, cpuMs, type CpuUse } from '../measure/process-cpu.js';
import { profileArgs } from '../measure/process-memory.js';
import { apiOf, eventsOf, getJson, type ApiAccess } from '../measure/rest.js';
import { timeQuery } from '../bench-query/time-query.js';
import { progress } from '../measure/run-bench.js';
import { watchTimes } from './watch-times.js';

export interface FleetMetricsOptions extends StackBenchOptions {
  /** Endpoints that are watched at once. */
  readonly watched: number;
  readonly seconds: number;
}

export interface FleetMetricsFigures {
  readonly oneMs: readonly number[];
  readonly atOnceMs: readonly number[];
  readonly asSamplesMs: readonly number[];
  readonly atOnceCpu: CpuUse;
  readonly samples: number;
  readonly seenByViewers: number;
  readonly queries: number;
  /** What was not passed on, taken or shown, by where and why; empty is well. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Processor time of turns of the event loop in milliseconds, and of the whole process as a share of a core. */
  readonly turns: Readonly<Record<'gateway' | 'telemetry', readonly number[]>>;
  readonly cpuShare: Readonly<Record<'gateway' | 'telemetry' | 'api', number>>;
}

const SQL = 'SELECT hostname FROM system_info';
const QUERY_EVERY_MS = 2_000;
/** Results of frames that are none of these were dropped. */
const TAKEN = /result="(taken|keyframe|delta|processes|repeated|sent|asked|complete)"/;
const COUNTS =
  /^(muster_(?:gateway_metrics_(?:samples|dropped|batches|histories|refused_watches)|telemetry_frames|api_watch_frames_dropped)_total)(\{[^}]*\}) ([1-9]\d*)$/gm;

/** A whole fleet that sends a sample a minute, some of it watched, and queries beside. */
export async function fleetMetrics(options: FleetMetricsOptions): Promise<FleetMetricsFigures> {
  const { agents, connectsPerSecond, folder, watched, seconds } = options;
  const turns = join(folder, 'turns');
  await mkdir(turns, { recursive: true });
  const measured = [...turnMeterArgs(turns), ...profileArgs(options.profileFolder)];
  const stack = await startBenchStack(options, {
    ...{ gateway: measured, telemetry: measured, api: profileArgs(options.profileFolder) },
  });
  const pids = { gateway: pidsOf(stack.gateways), telemetry: pidsOf(stack.telemetries), api: pidsOf(stack.apis) };
  let fleet: FleetProcess | undefined;
  let figures: Omit<FleetMetricsFigures, 'turns'>;
  let span: readonly [number, number];
  try {
    fleet = await FleetProcess.startOn(stack, { agents, connectsPerSecond, metrics: true });
    progress('waiting for the first sample of each endpoint');
    while ((await sum(stack.telemetries, /^muster_telemetry_endpoints\{.* (\d+)$/gm)) < agents) await delay(2_000);
    const api = apiOf(stack);
    const { items } = await getJson<{ items: { agentId: string }[] }>(api, `/v1/agents?limit=${watched}`);
    const ids = items.map(({ agentId }) => agentId);
    progress('watching');
    const meter = new CpuMeter({ ...pids, fleet: [fleet.pid], nats: [options.natsPid], viewers: [process.pid] });
    const times = await watchTimes(api, ids, meter);
    const before = { cpu: cpuOf(pids), dropped: await droppedOf(stack), samples: await samplesOf(stack) };
    const fromMs = Date.now();
    const viewers = ids.map((id) => new SampleCounter(api, id));
    const queries = await queriesFor(api, seconds);
    span = [fromMs, Date.now()];
    const seenByViewers = viewers.reduce((total, viewer) => total + viewer.live, 0);
    const cpu = cpuOf(pids);
    const share = (kind: keyof typeof pids): number => (cpu[kind] - before.cpu[kind]) / (span[1] - span[0]);
    figures = {
      ...{ ...times, queries, seenByViewers, samples: (await samplesOf(stack)) - before.samples },
      dropped: difference(await droppedOf(stack), before.dropped),
      cpuShare: { gateway: share('gateway'), telemetry: share('telemetry'), api: share('api') },
    };
    for (const viewer of viewers) viewer.stop();
  } finally {
    await fleet?.stop();
    await stack.stop();
  }
  const turnsOfAll = (kind: 'gateway' | 'telemetry'): number[] =>
    pids[kind].flatMap((pid) => turnsOf(turns, pid, span));
  return { ...figures, turns: { gateway: turnsOfAll('gateway'), telemetry: turnsOfAll('telemetry') } };
}

/** Counts what comes live to one viewer. */
class SampleCounter {
  live = 0;
  #isStopped = false;
  #error: Error | undefined;

  constructor(api: ApiAccess, agentId: string) {
    void this.#read(api, agentId);
  }

  /** Throws what ended its stream before. */
  stop(): void {
    this.#isStopped = true;
    if (this.#error !== undefined) throw this.#error;
  }

  async #read(api: ApiAccess, agentId: string): Promise<void> {
    try {
      for await (const { name, data } of eventsOf(api, `/v1/agents/${agentId}/metrics/stream?past=0`)) {
        if (name === 'sample' && data.includes('"from":"live"')) this.live += 1;
      }
    } catch (error) {
      if (!this.#isStopped) this.#error = new Error('a viewer was cut off', { cause: error });
    }
  }
}

/** Asks again and again for so long; returns how many queries were complete. */
async function queriesFor(api: ApiAccess, seconds: number): Promise<number> {
  let complete = 0;
  for (const untilMs = performance.now() + 1_000 * seconds; performance.now() < untilMs;) {
    const { state } = await timeQuery(api, { sql: SQL, mode: 'group', timeout: '30s' });
    if (state === 'complete') complete += 1;
    await delay(QUERY_EVERY_MS);
  }
  return complete;
}

const pidsOf = (programs: readonly Program[]): number[] => programs.flatMap(({ pid }) => pid ?? []);

function cpuOf<K extends string>(pids: Readonly<Record<K, readonly number[]>>): Record<K, number> {
  const entries = Object.entries<readonly number[]>(pids);
  return Object.fromEntries(
    entries.map(([kind, its]) => [kind, its.reduce((total, pid) => total + cpuMs(pid), 0)]),
  ) as Record<K, number>;
}

async function textOf({ healthUrl }: Program): Promise<string> {
  return (await fetch(`${healthUrl}/metrics`, { headers: { connection: 'close' } })).text();
}

async function sum(programs: readonly Program[], line: RegExp): Promise<number> {
  const texts = await Promise.all(programs.map(textOf));
  return texts.flatMap((text) => [...text.matchAll(line)]).reduce((total, [, value]) => total + Number(value), 0);
}

const samplesOf = ({ gateways }: Stack): Promise<number> =>
  sum(gateways, /^muster_gateway_metrics_samples_total\{result="taken"\} (\d+)$/gm);

async function droppedOf({ gateways, telemetries, apis }: Stack): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const text of await Promise.all([...gateways, ...telemetries, ...apis].map(textOf))) {
    for (const [, name = '', labels = '', value] of text.matchAll(COUNTS))
      if (!TAKEN.test(labels)) counts[name + labels] = (counts[name + labels] ?? 0) + Number(value);
  }
  return counts;
}

function difference(after: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>) {
  const grown = Object.entries(after).map(([key, value]) => [key, value - (before[key] ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, value]) => value > 0));
}
