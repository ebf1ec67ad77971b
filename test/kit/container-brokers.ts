import { BROKER_IMAGES, freePort, natsAnswers, redisAnswers, until } from '@muster/local/brokers';
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer } from 'testcontainers';
import type { TestBroker, TestBrokers } from './brokers.js';

const READY_TIMEOUT_MS = 30_000;

interface Recipe {
  readonly scheme: 'nats' | 'redis';
  readonly image: string;
  readonly port: number;
  readonly command: readonly string[];
  readonly answers: (port: number) => Promise<boolean>;
}

const NATS: Recipe = {
  scheme: 'nats',
  image: BROKER_IMAGES.nats,
  port: 4222,
  command: ['nats-server', '-js', '-sd', '/tmp/jetstream'],
  answers: natsAnswers,
};
const REDIS: Recipe = {
  scheme: 'redis',
  image: BROKER_IMAGES.redis,
  port: 6379,
  command: ['redis-server', '--save', '', '--appendonly', 'no', '--protected-mode', 'no'],
  answers: redisAnswers,
};

/** {@link TestBrokers} from images, through testcontainers. */
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
    return { way: 'containers', nats: nats.broker, redis: redis.broker, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start({ scheme, image, port, command, answers }: Recipe) {
  // A port of our choice, because a port that Docker chooses is another one after a restart.
  const host = await freePort();
  const container = await new GenericContainer(image)
    .withCommand([...command])
    .withExposedPorts({ container: port, host })
    .start();
  await answered();
  const broker: TestBroker = {
    url: `${scheme}://127.0.0.1:${host}`,
    kill9: async () => {
      const client = await getContainerRuntimeClient();
      const killed = client.container.getById(container.getId());
      await killed.kill();
      await killed.wait({ condition: 'not-running' });
    },
    restart: async () => {
      await container.restart({ timeout: 2_000 });
      await answered();
    },
  };
  return { broker, container };

  async function answered(): Promise<void> {
    if (await until(() => answers(host), READY_TIMEOUT_MS)) return;
    throw new Error(`${image} does not answer on port ${host}`);
  }
}
