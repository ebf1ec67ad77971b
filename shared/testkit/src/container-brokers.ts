import {
  BROKER_IMAGES,
  freePort,
  natsAccess,
  natsAnswers,
  newPassword,
  redisAnswers,
  type BrokerLogin,
} from '@muster/local/brokers';
import { eventually } from '@muster/runtime/testing';
import { GenericContainer, getContainerRuntimeClient, Wait, type StartedTestContainer } from 'testcontainers';
import type { TestBroker, TestBrokers } from './test-brokers.js';

const READY_TIMEOUT_MS = 120_000;

interface Recipe {
  readonly scheme: 'nats' | 'redis';
  readonly image: string;
  readonly port: number;
  readonly command: readonly string[];
  readonly files?: { readonly target: string; readonly content: string }[];
  readonly login: BrokerLogin;
  /** The log line that shows that it serves. */
  readonly greeting: RegExp;
  readonly answers: (port: number) => Promise<boolean>;
}

const NATS_LOGIN: BrokerLogin = { user: 'muster', password: newPassword() };
const REDIS_LOGIN: BrokerLogin = { user: 'default', password: newPassword() };

const NATS: Recipe = {
  scheme: 'nats',
  image: BROKER_IMAGES.nats,
  port: 4222,
  command: ['nats-server', '-js', '-sd', '/tmp/jetstream', '-c', '/tmp/nats.conf'],
  files: [{ target: '/tmp/nats.conf', content: natsAccess(NATS_LOGIN).config }],
  greeting: /Server is ready/,
  login: NATS_LOGIN,
  answers: (port) => natsAnswers(port, NATS_LOGIN),
};
const REDIS: Recipe = {
  scheme: 'redis',
  image: BROKER_IMAGES.redis,
  port: 6379,
  command: [
    ...['redis-server', '--save', '', '--appendonly', 'no', '--protected-mode', 'no'],
    ...['--requirepass', REDIS_LOGIN.password],
  ],
  greeting: /Ready to accept connections/,
  login: REDIS_LOGIN,
  answers: (port) => redisAnswers(port, REDIS_LOGIN),
};

export async function startContainerBrokers(): Promise<TestBrokers> {
  const started: { readonly broker: TestBroker; readonly container: StartedTestContainer }[] = [];
  const stop = async () => {
    await Promise.all(started.splice(0).map(({ container }) => container.stop({ timeout: 2_000 })));
  };
  try {
    const nats = await start(NATS);
    started.push(nats);
    const redis = await start(REDIS);
    started.push(redis);
    return { source: 'containers', nats: nats.broker, redis: redis.broker, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start({ scheme, image, port, command, files = [], login, greeting, answers }: Recipe) {
  // A fixed port: one that Docker chooses changes at a restart.
  const host = await freePort();
  const container = await new GenericContainer(image)
    .withCommand([...command])
    .withCopyContentToContainer(files)
    .withExposedPorts({ container: port, host })
    // The default strategy needs awk and nc in the container, which an image may lack.
    .withWaitStrategy(Wait.forLogMessage(greeting).withStartupTimeout(READY_TIMEOUT_MS))
    .start();
  await answered();
  const broker: TestBroker = {
    url: `${scheme}://${login.user}:${login.password}@127.0.0.1:${host}`,
    kill9: async () => {
      const running = await raw();
      await running.kill();
      await running.wait({ condition: 'not-running' });
    },
    freeze: async () => void (await (await raw()).pause()),
    resume: async () => void (await (await raw()).unpause()),
    // Not through testcontainers, which waits for the log line and sometimes misses it.
    restart: async () => {
      const ended = await raw();
      await ended.restart({ t: 2 });
      await answered();
    },
  };
  return { broker, container };

  async function raw() {
    const client = await getContainerRuntimeClient();
    return client.container.getById(container.getId());
  }

  async function answered(): Promise<void> {
    await eventually(() => answers(host), `an answer of ${image} on port ${host}`, READY_TIMEOUT_MS);
  }
}
