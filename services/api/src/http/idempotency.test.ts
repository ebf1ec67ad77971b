import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StreamError, type AppendResult, type StreamStore } from '@muster/bus';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import { AppError, type OrgId, type QueryId } from '@muster/protocol';
import { STREAMS } from '@muster/records';
import { FakeClock } from '@muster/runtime/testing';
import { Idempotency, type IdempotentCall } from './idempotency.js';
import { json, type JsonAnswer } from './operation.js';
import { RunningCalls } from './running-calls.js';

const CALL: IdempotentCall = {
  ...{
    org: 'acme' as OrgId,
    principalId: 'token:ann',
    key: 'k',
    request: ['createToken'],
    onceBy: 'process',
    ends: false,
  },
};
const LOST: AppendResult = { kind: 'unavailable', maybeStored: true, cause: new Error('no acknowledgement') };
const NO_ROOM: AppendResult = {
  ...{ kind: 'unavailable', maybeStored: false, cause: new StreamError('storage_full', 'no room') },
};

let broker: MemoryBroker;
let clock: FakeClock;
let processes: ApiProcess[];
beforeEach(async () => {
  broker = new MemoryBroker();
  clock = new FakeClock();
  processes = [];
  await broker.connect().streams.ensure(Object.values(STREAMS));
});
afterEach(() => {
  for (const { calls } of processes) calls.stop();
});

/**
 * What happens to an append: it is stored and acknowledged, stored without, or neither; `late`: stored by `release`;
 * `full`: only what is essential is.
 */
type Fate = 'kept' | 'unacknowledged' | 'lost' | 'late' | 'full';

class ApiProcess {
  readonly connection: MemoryConnection = broker.connect();
  readonly calls = new RunningCalls(this.connection.bus);
  readonly #late: (() => Promise<unknown>)[] = [];
  fate: Fate = 'kept';
  readonly idempotency = new Idempotency({
    ...{ calls: this.calls, clock },
    streams: {
      append: (...entry) => this.#append(...entry),
      last: (...entry) => this.connection.streams.last(...entry),
    },
  });

  constructor() {
    this.calls.start();
    processes.push(this);
  }

  run(perform: (queryId: QueryId) => Promise<JsonAnswer>, call: Partial<IdempotentCall> = {}): Promise<JsonAnswer> {
    return this.idempotency.run({ ...CALL, ...call }, perform);
  }

  /** What the broker had not read is stored now. */
  async release(): Promise<void> {
    this.fate = 'kept';
    for (const store of this.#late.splice(0)) await store();
  }

  async #append(...entry: Parameters<StreamStore['append']>): Promise<AppendResult> {
    const store = () => this.connection.streams.append(...entry);
    const [, , options] = entry;
    if (this.fate === 'kept' || (this.fate === 'full' && options?.essential === true)) return store();
    if (this.fate === 'full') return NO_ROOM;
    if (this.fate === 'unacknowledged') await store();
    if (this.fate === 'late') this.#late.push(store);
    return LOST;
  }
}

let performed = 0;
beforeEach(() => {
  performed = 0;
});
const perform = (): Promise<JsonAnswer> => Promise.resolve(json(201, { n: (performed += 1) }));
const codeOf = (running: Promise<JsonAnswer>): Promise<string> =>
  running.then(
    ({ body }) => JSON.stringify(body),
    (error: unknown) => (error as AppError).code,
  );

describe('whoever was told no may come again at once with the same key', () => {
  test.each(['unacknowledged', 'late', 'lost'] as const)('when the reservation was %s', async (fate) => {
    for (const repeatElsewhere of [false, true]) {
      const one = new ApiProcess();
      const other = repeatElsewhere ? new ApiProcess() : one;
      one.fate = fate;
      expect(await codeOf(one.run(perform))).toBe('broker_unavailable');
      await one.release();
      expect(await codeOf(other.run(perform))).toBe(JSON.stringify({ n: 1 }));
      expect(await codeOf(one.run(perform))).toBe(JSON.stringify({ n: 1 }));
      expect(performed).toBe(1);
      await one.connection.streams.purge(STREAMS.idempotency.name, 'muster.v1.idempotency.>');
      performed = 0;
    }
  });

  test.each(['unacknowledged', 'late', 'lost'] as const)('when the call failed and that was %s', async (fate) => {
    const [one, other] = [new ApiProcess(), new ApiProcess()];
    const failing = one.run(() => {
      one.fate = fate;
      return Promise.reject(new AppError('timeout', 'no answer'));
    });
    expect(await codeOf(failing)).toBe('timeout');
    const [repeat] = await Promise.all([codeOf(other.run(perform)), one.release()]);
    expect(repeat).toBe(JSON.stringify({ n: 1 }));
    expect(performed).toBe(1);
  });
});

describe('where the storage has room for nothing new', () => {
  test('a call that makes something is refused before it runs, one that ends something runs, and what was done is kept', async () => {
    const api = new ApiProcess();
    api.fate = 'full';
    expect(await codeOf(api.run(perform))).toBe('storage_full');
    expect(performed).toBe(0);
    const ends = { key: 'end', ends: true };
    for (let i = 0; i < 2; i += 1) expect(await codeOf(api.run(perform, ends))).toBe(JSON.stringify({ n: 1 }));
    api.fate = 'kept';
    const filled = api.run(
      () => {
        api.fate = 'full';
        return perform();
      },
      { key: 'before' },
    );
    expect(await codeOf(filled)).toBe(JSON.stringify({ n: 2 }));
    expect(await codeOf(api.run(perform, { key: 'before' }))).toBe(JSON.stringify({ n: 2 }));
  });

  test('a call that was refused can be repeated, though no refusal was kept', async () => {
    const api = new ApiProcess();
    const refused = api.run(() => {
      api.fate = 'full';
      return Promise.reject(new AppError('storage_full', 'no'));
    });
    expect(await codeOf(refused)).toBe('storage_full');
    api.fate = 'kept';
    expect(await codeOf(api.run(perform))).toBe(JSON.stringify({ n: 1 }));
  });
});

describe('a call never runs twice', () => {
  test('while it runs: a repeat is told so, in this process and in another', async () => {
    const [one, other] = [new ApiProcess(), new ApiProcess()];
    let finish: (answer: JsonAnswer) => void = () => undefined;
    const running = one.run(() => new Promise((resolve) => (finish = resolve)));
    while (finish.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await codeOf(one.run(perform))).toBe('conflict');
    expect(await codeOf(other.run(perform))).toBe('conflict');
    finish(json(201, { n: 'first' }));
    expect(await codeOf(running)).toBe(JSON.stringify({ n: 'first' }));
    expect(await codeOf(other.run(perform))).toBe(JSON.stringify({ n: 'first' }));
    expect(performed).toBe(0);
  });

  test('when its answer could not be kept: it is kept when the broker is back', async () => {
    const [one, other] = [new ApiProcess(), new ApiProcess()];
    const first = one.run(() => {
      one.fate = 'lost';
      return perform();
    });
    expect(await codeOf(first)).toBe(JSON.stringify({ n: 1 }));
    await clock.advanceAsync(5_000);
    expect(await codeOf(other.run(perform))).toBe('conflict');
    one.fate = 'kept';
    await clock.advanceAsync(1_000);
    expect(await codeOf(other.run(perform))).toBe(JSON.stringify({ n: 1 }));
    expect(performed).toBe(1);
  });

  test('when its process does not answer, until it must have ended', async () => {
    const [dead, other] = [new ApiProcess(), new ApiProcess()];
    void dead.run(() => new Promise(() => undefined));
    await new Promise((resolve) => setTimeout(resolve, 20));
    dead.calls.stop();
    expect(await codeOf(other.run(perform))).toBe('conflict');
    await clock.advanceAsync(120_001);
    expect(await codeOf(other.run(perform))).toBe(JSON.stringify({ n: 1 }));
  });
});

describe('a query under a key is started once', () => {
  const idsOf = async (code: 'timeout' | 'too_many_queries'): Promise<QueryId[]> => {
    const ids: QueryId[] = [];
    const [one, other] = [new ApiProcess(), new ApiProcess()];
    const fails = (id: QueryId): Promise<JsonAnswer> => {
      ids.push(id);
      throw new AppError(code, 'no answer');
    };
    expect(await codeOf(one.run(async (id) => fails(id), { onceBy: 'query_id' }))).toBe(code);
    expect(await codeOf(other.run(async (id) => fails(id), { onceBy: 'query_id' }))).toBe(code);
    clock.advance(5_000);
    await one.run((id) => Promise.resolve(json(201, ids.push(id))), { onceBy: 'query_id' });
    return ids;
  };

  test('a repeat after an unknown outcome has the id of the first attempt, at another process too', async () => {
    expect(new Set(await idsOf('timeout')).size).toBe(1);
  });

  test('a repeat does not wait for a process that does not answer: it has the id of the first attempt', async () => {
    const [dead, other] = [new ApiProcess(), new ApiProcess()];
    const ids: QueryId[] = [];
    const begun = new Promise<void>((resolve) => {
      const never = (id: QueryId): Promise<JsonAnswer> => {
        ids.push(id);
        resolve();
        return new Promise(() => undefined);
      };
      void dead.run(never, { onceBy: 'query_id' });
    });
    await begun;
    const repeat = (): Promise<string> =>
      codeOf(other.run((id) => Promise.resolve(json(201, { n: ids.push(id) })), { onceBy: 'query_id' }));
    expect(await repeat()).toBe('conflict');
    dead.calls.stop();
    expect(await repeat()).toBe(JSON.stringify({ n: 2 }));
    expect(ids[1]).toBe(ids[0]);
  });

  /** Seed 174 of the simulation: storage was full for the repeat, and had room again for the first attempt, which then began. */
  test('a refusal of a repeat says nothing of the first attempt, which may still begin: the next one has its id too', async () => {
    const api = new ApiProcess();
    const ids: QueryId[] = [];
    const fails = (code: 'timeout' | 'storage_full') => (id: QueryId) => {
      ids.push(id);
      return Promise.reject(new AppError(code, 'no'));
    };
    expect(await codeOf(api.run(fails('timeout'), { onceBy: 'query_id' }))).toBe('timeout');
    expect(await codeOf(api.run(fails('storage_full'), { onceBy: 'query_id' }))).toBe('storage_full');
    await api.run((id) => Promise.resolve(json(201, ids.push(id))), { onceBy: 'query_id' });
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
  });

  test('so does one after a refusal: another service that was asked too may still begin', async () => {
    expect(new Set(await idsOf('too_many_queries')).size).toBe(1);
  });
});
