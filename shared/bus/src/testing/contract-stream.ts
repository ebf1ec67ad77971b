import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Broker } from '../broker.js';
import type { AppendResult, Entry, ReadOptions, StreamDefinition, StreamStore } from '../stream-store.js';
import { text, type BrokerFixture } from './broker-fixture.js';

/** A stream of its own for each test of a contract. */
export interface ContractStream {
  readonly fixture: BrokerFixture;
  readonly broker: Broker;
  readonly streams: StreamStore;
  readonly stream: string;
  /** All subjects of this test's stream begin with it. */
  readonly root: string;
  define(more: Partial<StreamDefinition>): Promise<void>;
  append(tail: string, value: string): Promise<number>;
  readAll(options?: ReadOptions): Promise<Entry[]>;
}

/** Registers what makes the stream before each test, and tells the test about it. `name`: of this contract, in capitals. */
export function useContractStream(
  name: string,
  makeFixture: () => Promise<BrokerFixture>,
  tell: (stream: ContractStream) => void,
): void {
  let fixture: BrokerFixture;
  let broker: Broker;
  let run = 0;
  beforeAll(async () => {
    fixture = await makeFixture();
  });
  afterAll(() => fixture.stop());
  beforeEach(async () => {
    broker = await fixture.connect();
    run += 1;
    const made = contractStream(fixture, broker, `${name}_${run}`, `${name.toLowerCase()}.${run}`);
    await made.define({});
    tell(made);
  });
  afterEach(() => broker.stop());
}

function contractStream(fixture: BrokerFixture, broker: Broker, stream: string, root: string): ContractStream {
  const { streams } = broker;
  return {
    ...{ fixture, broker, streams, stream, root },
    define: (more) => streams.ensure([{ name: stream, subjects: [`${root}.>`], storage: 'file', ...more }]),
    append: async (tail, value) => seqOf(await streams.append(`${root}.${tail}`, text(value))),
    async readAll(options = {}) {
      const entries: Entry[] = [];
      for await (const entry of streams.read(stream, options)) entries.push(entry);
      return entries;
    },
  };
}

export function seqOf(result: AppendResult): number {
  if (result.kind !== 'appended') throw new Error(`not appended: ${JSON.stringify(result)}`);
  return result.seq;
}
