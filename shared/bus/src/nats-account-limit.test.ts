import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import type { Broker } from './broker.js';
import { connectNats } from './connect-nats.js';
import type { AppendResult } from './stream-store.js';
import { text } from './testing/broker-fixture.js';
import { LimitedAccount } from './testing/index.js';

const ACCOUNT_BYTES = 8_000_000;
const STREAMS = [
  { name: 'NEWS', subjects: ['news.>'] },
  { name: 'ENDS', subjects: ['ends.>'] },
];

describe('an account whose storage limit is set while services run, and reached', () => {
  const logged = jest.fn();
  let account: LimitedAccount;
  let broker: Broker;

  beforeAll(async () => {
    account = await LimitedAccount.start();
    const logger = { ...silentLogger, error: logged };
    broker = await connectNats({ servers: [account.server.url], name: 'test', logger });
    await broker.streams.ensure(STREAMS);
    for (let n = 1; n <= 5; n += 1) for (const at of ['ends.a', 'ends.b']) await broker.streams.append(at, text(at));
    await account.limit(ACCOUNT_BYTES);
    await eventually(async () => (await broker.streams.storage()).limitBytes === ACCOUNT_BYTES);
  });
  afterAll(async () => {
    await broker.stop();
    await account.stop();
  });

  const news = (): Promise<AppendResult> => broker.streams.append('news.a', new Uint8Array(100_000));
  const after = (seq: number): Promise<AppendResult> =>
    broker.streams.append('ends.a', text('next'), { expectLastSubjectSeq: seq, essential: true });
  /** Refused, and with nats-server 2.9 forgotten: the newest entry of `ends.a`. */
  async function overrun(): Promise<void> {
    const reply = await broker.bus.request('ends.a', new Uint8Array(900_000), { timeoutMs: 20_000 });
    expect(reply).toMatchObject({ kind: 'reply' });
  }

  it('is told of, and services that start then wait and say why', async () => {
    if (!(await account.isLosing())) return;
    expect(logged).toHaveBeenCalledTimes(1);
    await expect(broker.streams.ensure(STREAMS)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/nats-server 2\.\d+\.\d+ loses entries.*remove the limit of the account/),
    });
  });

  it('refuses what is new, and the newest entries are known: to be read, and to append after', async () => {
    const { streams } = broker;
    const accepted: number[] = [];
    let result = await news();
    for (; result.kind === 'appended'; result = await news()) accepted.push(result.seq);
    expect(result).toMatchObject({ kind: 'unavailable', maybeStored: false, cause: { code: 'storage_full' } });
    expect((await streams.last('NEWS', 'news.a'))?.seq).toBe(accepted.at(-1));
    await overrun();
    expect((await streams.last('ENDS', 'ends.a'))?.seq).toBe(9);
    expect((await streams.last('ENDS', 'ends.b'))?.seq).toBe(10);
    expect(await streams.last('ENDS', 'ends.none')).toBeUndefined();
    expect(await after(7)).toEqual({ kind: 'conflict' });
    const one = await Promise.all([after(9), after(9), after(9)]);
    expect(one.map(({ kind }) => kind).sort()).toEqual(['appended', 'conflict', 'conflict']);
    const { seq } = one.find((each) => each.kind === 'appended') as { seq: number };
    expect((await streams.last('ENDS', 'ends.a'))?.seq).toBe(seq);
    // A writer that knew the newest entry before it was forgotten a second time.
    await overrun();
    expect(await after(9)).toEqual({ kind: 'conflict' });
    expect((await after(seq)).kind).toBe('appended');
  });

  it('takes everything again when the limit is removed', async () => {
    await account.limit(undefined);
    await eventually(async () => (await news()).kind === 'appended');
    await broker.streams.ensure(STREAMS);
  });
});
