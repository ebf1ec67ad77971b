import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectNats } from '@muster/bus';
import { startStack, type Stack } from '@muster/local';
import { freePort } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { startBrokers, type TestBrokers } from '@muster/testkit';
import { fillStreams } from '../kit/full-streams.js';
import { cpuMs } from '../load/measure/process-cpu.js';

const SIZES = { identities: 100_000, queries: 4_000, commands: 20_000 };
/** On a machine that does nothing else. */
const START_WITHIN_MS = 5_000;
/** Where others use the same caches and cores, the same work takes up to twice the processor time. */
const PROCESSOR_MS = 10_000;
/**
 * Other tests run beside this one: how many programs want each core. The average of a minute lags behind by up to half.
 * A quiet machine has no excuse; on any, the processor time of the service is judged.
 */
const busy = (): number => Math.max(1, (1.5 * (loadavg()[0] ?? 0)) / availableParallelism());
const NONE = { gateways: 0, queries: 0, commands: 0, telemetries: 0, postures: 0, apis: 0 };
/** The command service comes last: it begins to write the audit records of the journal. */
const SERVICES = [
  ['gateway', { gateways: 1 }],
  ['query', { queries: 1 }],
  ['api', { apis: 1 }],
  ['telemetry', { telemetries: 1 }],
  ['posture', { postures: 1 }],
  ['command', { commands: 1 }],
] as const;

describe(`with ${SIZES.identities} identities and full streams`, () => {
  let brokers: TestBrokers;
  let folder: string;

  beforeAll(async () => {
    brokers = await startBrokers();
    folder = await mkdtemp(join(tmpdir(), 'muster-full-'));
    const broker = await connectNats({ servers: [brokers.nats.url], name: 'fill', logger: silentLogger });
    const sinceMs = performance.now();
    await fillStreams(broker, SIZES);
    process.stderr.write(`streams were filled in ${Math.round(performance.now() - sinceMs)} ms\n`);
    await broker.stop();
    // Makes the secrets.
    await (await start({})).stop();
  });
  afterAll(async () => {
    await brokers.stop();
    await rm(folder, { recursive: true });
  });

  const start = (options: Partial<Parameters<typeof startStack>[0]>): Promise<Stack> =>
    startStack({
      ...{ folder, natsUrl: brokers.nats.url, redisUrl: brokers.redis.url, tls: false },
      ...{ ...NONE, ...options },
    });

  it.each(SERVICES)(
    '%s starts within five seconds, and says meanwhile what it reads',
    async (kind, one) => {
      const healthPort = await freePort();
      const sinceMs = performance.now();
      const starting = start({ ...one, env: { [kind]: { MUSTER_HEALTH_PORT: String(healthPort) } } });
      const said = readingUntil(starting, healthPort);
      const stack = await starting;
      const tookMs = performance.now() - sinceMs;
      const { gateways, queries, apis, telemetries, postures, commands } = stack;
      const [program] = [gateways, queries, apis, telemetries, postures, commands].flat();
      const [factor, usedMs] = [busy(), cpuMs(program!.pid)];
      process.stderr.write(
        `${kind} was ready after ${Math.round(tookMs)} ms (${usedMs} ms of processor time), machine busy ${factor.toFixed(1)}-fold\n`,
      );
      const reading = [...(await said)];
      await stack.stop();
      expect(usedMs).toBeLessThan(PROCESSOR_MS);
      expect(tookMs).toBeLessThan(START_WITHIN_MS * factor);
      expect(reading).toContainEqual(expect.stringMatching(/^reading MUSTER_\w+: [\d,]+ of [\d,]+/));
    },
    60_000,
  );
});

/** What `/readyz` says of the streams until it has started. */
async function readingUntil(started: Promise<unknown>, healthPort: number): Promise<Set<string>> {
  let isStarting = true;
  const end = (): void => void (isStarting = false);
  started.then(end, end);
  const said = new Set<string>();
  while (isStarting) {
    const response = await fetch(`http://127.0.0.1:${healthPort}/readyz`).catch(() => undefined);
    const body = (await response?.json()) as { checks: { streams: { detail?: string } } } | undefined;
    if (body?.checks.streams.detail !== undefined) said.add(body.checks.streams.detail);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return said;
}
