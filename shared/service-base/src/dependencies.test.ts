import { afterEach, describe, expect, test } from '@jest/globals';
import { createHealthServer, createMetrics, silentLogger, type HealthServer } from '@muster/runtime';
import { Dependencies } from './dependencies.js';

const CONFIG = { natsUrls: ['nats://user:hidden@127.0.0.1:4222'] };

describe('/readyz of a service that reads its streams', () => {
  let server: HealthServer | undefined;
  afterEach(() => server?.stop());

  async function readyz(
    dependencies: Dependencies,
    ready: boolean,
  ): Promise<{ status: number; streams: unknown; ready: unknown }> {
    server = createHealthServer({
      ...{ host: '127.0.0.1', port: 0, metrics: createMetrics('demo'), logger: silentLogger },
      readiness: { state: ready ? 'ready' : 'starting', ready },
      checks: { broker: () => dependencies.broker(), streams: () => dependencies.streams() },
    });
    await server.start();
    const response = await fetch(`http://127.0.0.1:${server.ports().health}/readyz`);
    const body = (await response.json()) as { ready: boolean; checks: Record<string, unknown> };
    return { status: response.status, ready: body.ready, streams: body.checks['streams'] };
  }

  /** A service whose readers are so far. */
  function reading(...catchingUp: { stream: string; done: number; of: number }[]): Dependencies {
    const dependencies = new Dependencies(CONFIG);
    dependencies.found({ broker: { bus: { connected: true }, streams: { catchingUp: new Set(catchingUp) } } });
    dependencies.waitFor(undefined);
    return dependencies;
  }

  test('says which, and how far it is', async () => {
    const identities = { stream: 'MUSTER_IDENTITIES', done: 40_000, of: 100_000 };
    const detail = 'reading MUSTER_IDENTITIES: 40,000 of 100,000; reading MUSTER_COMMANDS: 0 of 12';
    const dependencies = reading(identities, { stream: 'MUSTER_COMMANDS', done: 0, of: 12 });
    expect(await readyz(dependencies, false)).toEqual({
      ...{ status: 503, ready: false },
      streams: { ok: false, needed: false, detail },
    });
  });

  test('is ready all the same when one is read again later: it answers with what it knows', async () => {
    const dependencies = reading({ stream: 'MUSTER_IDENTITIES', done: 1, of: 2 });
    expect(await readyz(dependencies, true)).toMatchObject({ status: 200, ready: true, streams: { ok: false } });
  });

  test('says nothing when all are read', async () => {
    expect(await readyz(reading(), true)).toEqual({ status: 200, ready: true, streams: { ok: true } });
  });
});
