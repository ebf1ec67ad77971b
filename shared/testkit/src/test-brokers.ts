/** One broker of a test: it can be killed and started again on the same address, with what it kept on disk. */
export interface TestBroker {
  readonly url: string;
  /** Ends it as a power cut would; resolves when it is gone. */
  kill9(): Promise<void>;
  /** It stands still, with its connections open, until `resume`. */
  freeze(): Promise<void>;
  resume(): Promise<void>;
  /** Resolves when it answers again. */
  restart(): Promise<void>;
}

/** Real brokers for one test file. */
export interface TestBrokers {
  readonly source: BrokerSource;
  readonly nats: TestBroker;
  readonly redis: TestBroker;
  /** Removes their data too. Idempotent. */
  stop(): Promise<void>;
}

/** `containers`: images through testcontainers. `binaries`: the programs of this machine, installed if need be. */
export type BrokerSource = 'containers' | 'binaries';
