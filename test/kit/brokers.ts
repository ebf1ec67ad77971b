import type { Logger } from '@muster/runtime';
import { startBinaryBrokers } from './binary-brokers.js';
import { engineAnswers } from './docker-engine.js';

/** One broker of a test: it can be killed and started again on the same address, with what it kept on disk. */
export interface TestBroker {
  readonly url: string;
  /** Ends it as a power cut would; resolves when it is gone. */
  kill9(): Promise<void>;
  /** Resolves when it answers again. */
  restart(): Promise<void>;
}

/** Real brokers for one test file. */
export interface TestBrokers {
  readonly way: BrokersWay;
  readonly nats: TestBroker;
  readonly redis: TestBroker;
  /** Idempotent; takes their data along. */
  stop(): Promise<void>;
}

/** `containers`: images through testcontainers. `binaries`: the programs of this machine, installed if need be. */
export type BrokersWay = 'containers' | 'binaries';

export interface TestBrokersOptions {
  readonly logger: Logger;
  /** Default: {@link chooseWay}. */
  readonly way?: BrokersWay;
}

/** Starts NATS with JetStream and Redis, empty, on free loopback ports. */
export async function startTestBrokers({ logger, way }: TestBrokersOptions): Promise<TestBrokers> {
  if ((way ?? (await chooseWay())) === 'binaries') return startBinaryBrokers(logger);
  // Loaded only where it is used: it takes most of a second.
  const { startContainerBrokers } = await import('./container-brokers.js');
  return startContainerBrokers();
}

/** What MUSTER_TEST_BROKERS asks for; else containers where a Docker engine answers, else binaries. */
export async function chooseWay(): Promise<BrokersWay> {
  const asked = process.env['MUSTER_TEST_BROKERS'];
  if (asked === 'containers' || asked === 'binaries') return asked;
  if (asked !== undefined && asked !== '') {
    throw new RangeError(`MUSTER_TEST_BROKERS is "containers" or "binaries", not "${asked}"`);
  }
  return (await engineAnswers()) ? 'containers' : 'binaries';
}
