import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AppendResult, StreamStore } from '@muster/bus';
import type { CommandId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS, verifyChain, type AuditRecord } from '@muster/records';
import { CommandHarness, makeTestKeys, ORG, type TestKeys } from '../testing/command-harness.js';
import type { FakeAgent } from '../testing/fake-agent.js';

let keys: TestKeys;
let harness: CommandHarness;
let agent: FakeAgent;
/** The chain takes nothing, like a stream that is full. */
let isFull: boolean;
beforeAll(async () => {
  keys = await makeTestKeys();
});
beforeEach(async () => {
  isFull = false;
  const wrap = ({ bus, streams }: { bus: never; streams: StreamStore }) => ({ bus, streams: fillable(streams) });
  harness = await new CommandHarness({ keys, wrap: wrap as never }).open();
  agent = await harness.agent();
});
afterEach(() => harness.close());

function fillable(streams: StreamStore): StreamStore {
  const full: AppendResult = { kind: 'unavailable', maybeStored: false, cause: new Error('full') };
  return new Proxy(streams, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'append') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      return (subject: string, data: Uint8Array, options?: object) =>
        isFull && subject === STREAM_SUBJECTS.audit(ORG)
          ? Promise.resolve(full)
          : target.append(subject, data, options ?? {});
    },
  });
}

const about = async (id: CommandId): Promise<AuditRecord[]> =>
  (await harness.audit()).filter(({ subject, action }) => subject === id && action !== 'command.deliver');
const actions = async (id: CommandId): Promise<string[]> => (await about(id)).map(({ action }) => action);

describe('the audit of the journal', () => {
  test('goes on where a service that was killed left it', async () => {
    const first = await harness.service();
    harness.gateway('gw-1').connect(agent);
    const before = (await harness.submit()).record.id;
    await harness.pass(1_000);
    isFull = true;
    const after = (await harness.submit()).record.id;
    await harness.pass(1_000);
    await first.kill();
    isFull = false;
    expect([await actions(before), await actions(after)]).toEqual([['command.submit', 'command.outcome'], []]);
    await harness.service();
    await harness.pass(1_000);
    for (const id of [before, after]) expect(await actions(id)).toEqual(['command.submit', 'command.outcome']);
    const [record] = await about(after);
    expect(record).toMatchObject({ actorName: 'Ann', from: '192.0.2.1', scope: '', details: { targets: 1 } });
  });

  test('waits for a chain that is full for any time, with any number of entries', async () => {
    await harness.service();
    harness.gateway('gw-1').connect(agent);
    isFull = true;
    const ids: CommandId[] = [];
    for (let i = 0; i < 260; i += 1) ids.push((await harness.submit()).record.id);
    await harness.pass(120_000);
    isFull = false;
    await harness.pass(10_000);
    const counts = new Map<string | undefined, number>();
    for (const { subject, details } of await harness.audit()) {
      if (details?.['seq'] !== undefined) counts.set(subject, (counts.get(subject) ?? 0) + 1);
    }
    expect(ids.map((id) => counts.get(id))).toEqual(ids.map(() => 2));
  });

  test('says of a late report that it is late, also when the command has ended', async () => {
    const slow = await harness.agent({ runMs: () => 60_000 });
    await harness.service();
    harness.gateway('gw-1').connect(slow);
    const { record } = await harness.submit({ target: { agentIds: [slow.agentId] }, timeoutMs: 5_000 });
    for (let i = 0; i < 70; i += 1) {
      await harness.pass(1_000);
      slow.tick();
    }
    const outcomes = (await about(record.id)).flatMap(({ details }) => (details?.['changes'] ?? []) as object[]);
    expect(outcomes).toEqual([
      { state: 'running', targets: 1 },
      { state: 'timed_out', targets: 1, code: 'no_report' },
      { state: 'succeeded', targets: 1, code: 'done', late: true, counts: 'timed_out' },
    ]);
  });

  test('begins anew with a journal that was lost', async () => {
    const first = await harness.service();
    harness.gateway('gw-1').connect(agent);
    for (let i = 0; i < 5; i += 1) await harness.submit();
    await harness.pass(1_000);
    await first.kill();
    await harness.connection.streams.purge(STREAMS.commands.name, STREAM_SUBJECTS.allCommands);
    await harness.service();
    const { record } = await harness.submit();
    await harness.pass(1_000);
    expect(await actions(record.id)).toEqual(['command.submit', 'command.outcome']);
    expect(verifyChain((await harness.audit()).map((each, i) => ({ seq: i + 1, record: each }))).faults).toEqual([]);
  });

  test('has an end once that two services wrote, and a cancellation that came second as repeated', async () => {
    await harness.service();
    await harness.service();
    const { record } = await harness.submit();
    const cancel = { t: 'cancel', org: ORG, id: record.id } as const;
    const by = (id: string) => ({ id, name: id, role: 'admin', bound: '', from: '' }) as const;
    await harness.pass(1_500);
    await Promise.all([
      harness.ask({ ...cancel, caller: by('one') }),
      harness.ask({ ...cancel, caller: by('two') }).catch(() => undefined),
    ]);
    await harness.pass(2_000);
    const cancels = (await about(record.id)).filter(({ action }) => action === 'command.cancel');
    expect(cancels.filter(({ details }) => details?.['cancelled'] === 1)).toHaveLength(1);
    expect(cancels.filter(({ details }) => details?.['seq'] !== undefined)).toHaveLength(1);
  });
});
