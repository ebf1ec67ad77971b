import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { natsAccess, newPassword, startNats, startRedis } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime/program';
import type { BrokerSource, TestBrokers } from './test-brokers.js';
import { request, type RequestOptions } from 'node:http';

/**
 * Starts NATS with JetStream and Redis, empty, on free loopback ports, with passwords that are in their URLs. Without a
 * source: {@link chooseBrokerSource}.
 */
export async function startBrokers(source?: BrokerSource): Promise<TestBrokers> {
  if ((source ?? (await chooseBrokerSource())) === 'binaries') return startBinaryBrokers();
  // Loaded only where it is used: it takes most of a second.
  const { startContainerBrokers } = await import('./container-brokers.js');
  return startContainerBrokers();
}

/** What MUSTER_TEST_BROKERS asks for; else containers where a Docker engine answers, else binaries. */
export async function chooseBrokerSource(): Promise<BrokerSource> {
  const asked = process.env['MUSTER_TEST_BROKERS'];
  if (asked === 'containers' || asked === 'binaries') return asked;
  if (asked !== undefined && asked !== '') {
    throw new RangeError(`MUSTER_TEST_BROKERS is "containers" or "binaries", not "${asked}"`);
  }
  return (await engineAnswers()) ? 'containers' : 'binaries';
}

async function startBinaryBrokers(): Promise<TestBrokers> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-test-'));
  const logger = silentLogger;
  // One after the other: both may have to be installed, and a package manager takes one at a time.
  const access = natsAccess({ user: 'muster', password: newPassword() });
  const login = { user: 'default', password: newPassword() };
  const nats = await startNats({ dataDir: join(folder, 'nats'), logger, access });
  try {
    const redis = await startRedis({ dataDir: join(folder, 'redis'), logger, login });
    const stop = async (): Promise<void> => {
      await Promise.all([nats.stop(), redis.stop()]);
      await rm(folder, { recursive: true, force: true });
    };
    return { source: 'binaries', nats, redis, stop };
  } catch (error) {
    await nats.stop();
    throw error;
  }
}

const ANSWER_MS = 1_500;
const DEFAULT_SOCKET = '/var/run/docker.sock';

/** Whether a Docker engine answers a ping quickly, at DOCKER_HOST or at the default socket. */
function engineAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ ...engineAddress(), path: '/_ping', timeout: ANSWER_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.on('close', () => resolve(false));
    call.end();
  });
}

function engineAddress(): RequestOptions {
  const host = process.env['DOCKER_HOST'];
  if (host === undefined || host === '') return { socketPath: DEFAULT_SOCKET };
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) };
  const { hostname, port } = new URL(host.replace(/^tcp:/, 'http:'));
  return { host: hostname, port };
}
