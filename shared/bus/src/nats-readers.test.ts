import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startNats, type NatsHandle } from '@muster/local/brokers';
import { BROKER_SUBJECTS } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import type { Broker } from './broker.js';
import { connectNats } from './connect-nats.js';
import { followView } from './follow-view.js';
import { text, untext } from './testing/broker-fixture.js';

describe('readers of streams that others make', () => {
  let dataDir: string;
  let server: NatsHandle;
  let asking: Broker;
  const connect = (readers: Parameters<typeof connectNats>[0]['readers'] & {}): Promise<Broker> =>
    connectNats({ servers: [server.url], name: 'test', logger: silentLogger, readers });
  const serving = (): Promise<Broker> => connect({ streams: ['OPEN'], inbox: '_INBOX.tools.' });

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'muster-readers-'));
    server = await startNats({ dataDir, logger: silentLogger });
    asking = await connect('ask');
    const streams = ['open', 'closed'].map((name) => ({ name: name.toUpperCase(), subjects: [`${name}.>`] }));
    await asking.streams.ensure(streams);
  });
  afterAll(async () => {
    await asking.stop();
    await server.stop();
    await rm(dataDir, { recursive: true });
  });

  it('a view waits for somebody who makes readers, and goes on after the server was restarted', async () => {
    for (const value of ['1', '2', '3']) await asking.streams.append(`open.${value}`, text(value));
    const seen: string[] = [];
    const apply = ({ data }: { data: Uint8Array }): void => void seen.push(untext(data));
    const starting = followView(asking.streams, { stream: 'OPEN', apply, logger: silentLogger });
    expect(await asking.bus.request(BROKER_SUBJECTS.readers, text('{}'), { timeoutMs: 5_000 })).toEqual({
      kind: 'no_responders',
    });
    expect(seen).toEqual([]);
    const makers = [await serving(), await serving()];
    const view = await starting;
    expect(seen).toEqual(['1', '2', '3']);
    await asking.streams.append('open.4', text('4'));
    await eventually(() => seen.at(-1) === '4', 'what is new', 30_000);
    await server.kill9();
    await server.restart();
    await eventually(() => [asking, ...makers].every(({ bus }) => bus.connected), 'all are back', 60_000);
    await asking.streams.append('open.5', text('5'));
    await eventually(() => seen.at(-1) === '5', 'what is new after the restart', 60_000);
    expect(seen).toEqual(['1', '2', '3', '4', '5']);
    await view.stop();
    for (const maker of makers) await maker.stop();
  }, 120_000);

  it('nobody gets a reader of another stream, or one that sends to a subject of his choice', async () => {
    const maker = await serving();
    await maker.bus.flush();
    await asking.streams.append('open.a', text('stolen'));
    const heard: string[] = [];
    asking.bus.subscribe('victim.>', ({ subject }) => heard.push(subject));
    const ask = async (request: object): Promise<{ reader?: { name: string }; fault?: string }> => {
      const result = await asking.bus.request(BROKER_SUBJECTS.readers, text(JSON.stringify(request)), {
        timeoutMs: 20_000,
      });
      if (result.kind !== 'reply') throw new Error(result.kind);
      return JSON.parse(untext(result.data)) as { reader?: { name: string } };
    };
    for (const request of [
      {},
      { stream: 'CLOSED', subject: '>' },
      { stream: 'OPEN', subject: 3 },
      { stream: 'OPEN', subject: '>', fromSeq: 'x' },
    ]) {
      expect(await ask(request)).toEqual({ fault: 'not a reader that is made for others' });
    }
    const hostile = { deliver_subject: 'victim.a', config: { deliver_subject: 'victim.b' }, deliver_policy: 'all' };
    const { reader } = await ask({ stream: 'OPEN', subject: '>', ...hostile });
    const info = await asking.bus.request(`$JS.API.CONSUMER.INFO.OPEN.${reader?.name}`, text(''), {
      timeoutMs: 20_000,
    });
    if (info.kind !== 'reply') throw new Error(info.kind);
    expect(Object.keys((JSON.parse(untext(info.data)) as { config: object }).config)).not.toContain('deliver_subject');
    // Nor has he one pulled to such a subject.
    const pull = { stream: 'OPEN', consumer: reader?.name, batch: 1, heartbeatMs: 1_000 };
    const forbidden = [
      { ...pull, inbox: 'victim.c' },
      { ...pull, inbox: '_INBOX.tools.> victim.d' },
      { ...pull, inbox: '_INBOX.tools.a', stream: 'CLOSED' },
      { ...pull, inbox: '_INBOX.tools.b', batch: 1_000_000 },
    ];
    const pulled: string[] = [];
    for (const inbox of ['a', 'b', 'c']) {
      asking.bus.subscribe(`_INBOX.tools.${inbox}`, ({ data }) => pulled.push(inbox + untext(data)));
    }
    for (const one of [...forbidden, { ...pull, inbox: '_INBOX.tools.c' }]) {
      asking.bus.publish(BROKER_SUBJECTS.readerPulls, text(JSON.stringify(one)));
    }
    await eventually(() => pulled.length > 0, 'what may be pulled', 30_000);
    await asking.bus.flush();
    expect(pulled[0]).toMatch(/^c/);
    expect(pulled.filter((one) => !one.startsWith('c'))).toEqual([]);
    expect(heard).toEqual([]);
    await maker.stop();
  }, 60_000);

  it('a stream that muster-setup makes is missing or lacks what is relied on, and is named; its bounds may be others', async () => {
    const expected = { name: 'LATE', subjects: ['late.a', 'late.b'], maxMsgsPerSubject: 1, maxAgeMs: 60_000 };
    const ensure = (more = {}) => asking.streams.ensure([{ ...expected, ...more, expected: true }], { timeoutMs: 0 });
    const changes: string[] = [];
    const make = (more = {}) =>
      asking.streams.ensure([{ ...expected, ...more }], { onEnsured: (...change) => changes.push(change.join(' ')) });
    const refused = (code: string, message: RegExp, more = {}) =>
      expect(ensure(more)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await refused('no_stream', /LATE is missing; muster-setup/);
    await make({ subjects: ['late.a'], maxMsgsPerSubject: 2 });
    await refused('invalid', /LATE has another max_msgs_per_subject, does not keep late\.b; muster-setup/);
    await make({ maxAgeMs: 120_000 });
    await make({ maxAgeMs: 120_000 });
    await ensure();
    await refused('invalid', /LATE has 1 replicas where 3 are set/, { replicas: 3 });
    await refused('invalid', /LATE has format 1 where this version writes 2/, { format: 2 });
    expect(changes).toEqual(['LATE created', 'LATE subjects,max_age,max_msgs_per_subject,duplicate_window']);

    // How many of a subject are kept is a bound, of which versions that run side by side may think differently.
    const kept = { ...expected, name: 'MANY', subjects: ['many.a'] };
    await asking.streams.ensure([{ ...kept, maxMsgsPerSubject: 200 }]);
    await asking.streams.ensure([{ ...kept, maxMsgsPerSubject: 20, expected: true }], { timeoutMs: 0 });
    const asMap = asking.streams.ensure([{ ...kept, maxMsgsPerSubject: 1, expected: true }], { timeoutMs: 0 });
    await expect(asMap).rejects.toMatchObject({ code: 'invalid' });
  });
});
