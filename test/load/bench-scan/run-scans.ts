import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient } from '@muster/api-client';
import type { Stack } from '@muster/local';
import { FleetProcess } from '../fleet/fleet-process.js';
import { startBenchStack, type StackBenchOptions } from '../fleet/bench-stack.js';
import { natsTraffic, trafficBetween } from '../measure/nats-traffic.js';
import { MEASURED_NODE_ARGS, profileArgs } from '../measure/process-memory.js';
import { progress } from '../measure/run-bench.js';

export interface ScanBenchOptions extends StackBenchOptions {
  /** YAML. */
  readonly pack: string;
  readonly unique: number;
  readonly repetitions: number;
}

/** One scan as its client sees it, since it was asked for. */
interface ScanTimes {
  readonly endedMs: number;
  readonly countedMs: number;
  readonly brokerBytes: number;
  readonly groups: number;
}

export interface ScanFigures {
  /** Every endpoint asks for the pack. */
  readonly first: ScanTimes;
  readonly later: readonly ScanTimes[];
  readonly memoryMb: Readonly<Record<string, number>>;
}

const FAILING = 0.1;

export function packOf(checks: number): string {
  const one = (n: number): string =>
    `  - { id: check-${n}, title: Check ${n}, severity: high, platforms: [linux, windows, darwin], sql: SELECT path FROM file WHERE path = '/etc/${n}.conf', row_means: fail }`;
  const head = 'kind: muster/pack\nformat: 1\nid: bench\nversion: 1.0.0\ntitle: Bench\nchecks:\n';
  return `${head}${Array.from({ length: checks }, (_, n) => one(n)).join('\n')}\n`;
}

/** Starts the whole product and a fleet, scans it, and stops everything. Every outcome must be counted. */
export async function runScans(options: ScanBenchOptions): Promise<ScanFigures> {
  const { agents, connectsPerSecond, unique, repetitions } = options;
  const profile = profileArgs(options.profileFolder);
  const nodeArgs = { gateway: [...MEASURED_NODE_ARGS, ...profile], query: profile, posture: profile };
  const stack = await startBenchStack(options, nodeArgs, { postures: 1 });
  let fleet: FleetProcess | undefined;
  try {
    const packs = { failing: FAILING, unique };
    fleet = await FleetProcess.startOn(stack, { seed: 1, agents, connectsPerSecond, packs });
    progress(`${agents} agents live`);
    const ca = stack.caPath === undefined ? {} : { ca: readFileSync(stack.caPath, 'utf8') };
    const api = new ApiClient({ url: stack.apiUrl, token: stack.token, ...ca });
    await api.call('POST /v1/packs', { body: { text: options.pack } });
    const scan = (): Promise<ScanTimes> => timeScan(api, agents, options.natsMonitorUrl);
    const first = await scan();
    const later: ScanTimes[] = [];
    while (later.length < repetitions) later.push(await scan());
    return { first, later, memoryMb: memoryOf(stack) };
  } finally {
    await fleet?.stop();
    await stack.stop();
  }
}

async function timeScan(api: ApiClient, agents: number, monitorUrl: string): Promise<ScanTimes> {
  const before = await natsTraffic(monitorUrl);
  const begin = performance.now();
  const { id } = await api.call('POST /v1/scans', { body: { pack: 'bench' } });
  let endedMs = Number.NaN;
  let groups = 0;
  for await (const event of api.events('GET /v1/queries/{id}/events', { params: { id } })) {
    if (event.event !== 'ended') continue;
    endedMs = performance.now() - begin;
    groups = event.query.rows;
    break;
  }
  for (;;) {
    const scan = await api.call('GET /v1/scans/{id}', { params: { id } });
    if (!scan.recorded) {
      await delay(20);
      continue;
    }
    const countedMs = performance.now() - begin;
    const whole = scan.checks?.every(({ pass, fail, not_applicable }) => pass + fail + not_applicable === agents);
    if (scan.ledger.answered !== agents || whole !== true)
      throw new Error(`a scan of the bench did not count every outcome: ${JSON.stringify(scan).slice(0, 2_000)}`);
    progress(`scan: ${endedMs.toFixed(0)} ms, counted after ${countedMs.toFixed(0)} ms`);
    return { endedMs, countedMs, groups, brokerBytes: trafficBetween(before, await natsTraffic(monitorUrl)).bytes };
  }
}

function memoryOf({ gateways, queries, postures, apis }: Stack): Record<string, number> {
  const all = { gateway: gateways, query: queries, posture: postures, api: apis };
  return Object.fromEntries(
    Object.entries(all).map(([name, programs]) => [name, Math.max(...programs.map(({ pid }) => residentMb(pid)))]),
  );
}

function residentMb(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid ?? 'self'}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
}
