import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApiClient } from '@muster/api-client';
import { eventually } from '@muster/runtime/testing';
import { startHarness, type Harness } from '../kit/harness.js';
import { MetricsViewer } from '../kit/metrics-viewer.js';

/** The guarantee: an endpoint is back to its slow rate so soon after the last viewer's process was killed. */
const SLOW_WITHIN_MS = 10_000;
/** How long samples are counted. */
const COUNT_MS = 10_000;

let harness: Harness;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-watching-'));
  const policy = join(folder, 'policy.json');
  // So slow that every sample here comes of a watch.
  await writeFile(policy, JSON.stringify({ rules: [{ selector: '', interval: '10m' }] }));
  harness = await startHarness({ apis: 2, agent: true, env: { gateway: { MUSTER_METRICS_POLICY_FILE: policy } } });
});
afterAll(async () => {
  await harness.close();
  await rm(folder, { recursive: true, force: true });
});

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What the gateway counts. */
async function gateway(): Promise<{ readonly taken: number; readonly watched: number; readonly sent: number }> {
  const text = await (await fetch(`${harness.stack.gateways[0]!.healthUrl}/metrics`)).text();
  const value = (series: string): number =>
    Number(text.split(`\nmuster_gateway_metrics_${series} `)[1]?.split('\n')[0]);
  return {
    taken: value('samples_total{result="taken"}'),
    watched: value('watched_endpoints'),
    sent: value('watch_frames_total'),
  };
}

/** Frames a second from the endpoint. */
async function upstreamRate(): Promise<number> {
  const [before, sinceMs] = [await gateway(), performance.now()];
  await wait(COUNT_MS);
  const after = await gateway();
  expect(after.watched).toBe(1);
  // To the viewers each goes once, whoever they are.
  expect(Math.abs(after.sent - before.sent - (after.taken - before.taken))).toBeLessThanOrEqual(2);
  return ((after.taken - before.taken) * 1_000) / (performance.now() - sinceMs);
}

test('viewers in two API processes share one stream of an endpoint; when one process is killed the other goes on, and 10 s after the death of the last the endpoint is slow', async () => {
  const [agent] = await harness.api.all('GET /v1/agents');
  const [first, second] = harness.stack.apis.map(({ url }) => new ApiClient({ url, token: harness.stack.token }));
  const at = (client: ApiClient | undefined): MetricsViewer => new MetricsViewer(client!, agent!.agentId);
  const [killed, left] = [[at(second), at(second)], at(first)];
  for (const viewer of [...killed, left]) await eventually(() => viewer.times.length > 3, 'samples come');

  // One sample a second, and every five seconds the busiest processes.
  const shared = await upstreamRate();
  expect(shared).toBeGreaterThan(0.8);
  expect(shared).toBeLessThan(1.6);
  const fromMs = Math.max(...killed.map(({ times }) => times[0]!), left.times[0]!);
  const untilMs = Math.min(...killed.map(({ lastMs }) => lastMs), left.lastMs);
  const seen = ({ times }: MetricsViewer): number[] => times.filter((time) => time >= fromMs && time <= untilMs);
  expect(seen(left).length).toBeGreaterThan(5);
  for (const viewer of killed) expect(seen(viewer)).toEqual(seen(left));

  const [api1, api2] = harness.stack.apis;
  api2!.signal('SIGKILL');
  await api2!.exited();
  for (const viewer of killed) await viewer.stop();
  // Until the lease of the killed process has ended, and after it.
  const alone = await upstreamRate();
  expect(alone).toBeGreaterThan(0.8);
  expect(alone).toBeLessThan(1.6);
  const steps = left.times.slice(1).map((time, i) => time - left.times[i]!);
  expect(Math.max(...steps)).toBeLessThan(5_000);
  expect([left.gaps, left.problems]).toEqual([0, []]);

  const killedMs = performance.now();
  api1!.signal('SIGKILL');
  await api1!.exited();
  await left.stop();
  await eventually(async () => (await gateway()).watched === 0, 'nobody watches any more');
  expect(performance.now() - killedMs).toBeLessThan(SLOW_WITHIN_MS);
  await wait(killedMs + SLOW_WITHIN_MS - performance.now());
  const { taken } = await gateway();
  await wait(COUNT_MS);
  expect((await gateway()).taken).toBe(taken);
});
