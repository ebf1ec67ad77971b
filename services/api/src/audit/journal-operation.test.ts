import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { AuditedEntryJson } from '@muster/api-contract';
import type { CommandId } from '@muster/protocol';
import {
  auditHash,
  encodeJournalEntry,
  encodeNumberSet,
  STREAM_SUBJECTS,
  type CommandRecord,
  type JournalEntry,
} from '@muster/records';
import { ApiFixture, ORG } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const read = async (query = ''): Promise<AuditedEntryJson[]> =>
  (await api.get(`/v1/audit/journal${query}`)).text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditedEntryJson);

/** Returns the sequence and the hash of the entry. */
async function write(id: CommandId, entry: JournalEntry): Promise<{ seq: number; journal: string }> {
  const data = encodeJournalEntry(entry);
  const result = await api.connection.streams.append(STREAM_SUBJECTS.command(ORG, id), data);
  if (result.kind !== 'appended') throw new Error(result.kind);
  return { seq: result.seq, journal: auditHash(data) };
}
const submitted = (id: CommandId, requestKey?: string): JournalEntry => ({
  ...{ t: 'submitted', atMs: 5, signature: { jws: 'j', keys: 'k' }, released: 1, sent: encodeNumberSet([1]) },
  record: {
    ...{ id, org: ORG, action: 'dns.flush', params: {}, dryRun: false, target: '', submittedAtMs: 5, requestKey },
    ...{ targets: { sets: [encodeNumberSet([7])] }, operator: { id: 'o', name: 'o', role: 'admin' } },
  } as unknown as CommandRecord,
});
const states = (state: 'sent' | 'succeeded' | 'timed_out', atMs = 6): JournalEntry => ({
  ...{ t: 'states', atMs },
  changes: [{ state, targets: encodeNumberSet([1]), code: '', message: '' }],
});

describe('the journal that is audited', () => {
  test('has the entries that decide something, each with its hash; void commands and repeated outcomes decide nothing', async () => {
    const [one, two] = ['c1', 'c2'] as [CommandId, CommandId];
    const first = await write(one, submitted(one, 'key'));
    await write(two, submitted(two, 'key'));
    await write(one, states('sent'));
    const given = await write(one, states('timed_out'));
    await write(one, states('timed_out'));
    const late = await write(one, states('succeeded', Date.now()));
    const lines = await read();
    expect(lines).toMatchObject([
      { ...first, action: 'command.submit', command: one },
      { ...given, action: 'command.outcome', command: one },
      { ...late, action: 'command.outcome', command: one, pending: true },
      { seq: late.seq, end: true },
    ]);
    expect(lines[1]).not.toHaveProperty('pending');
    expect(await read(`?after=${first.seq}`)).toEqual(lines.slice(1));
  });

  test('is for admins that are not bounded', async () => {
    const bounded = await api.token({ role: 'admin', selector: 'os=linux' });
    const responder = await api.token({ role: 'responder' });
    for (const { token } of [bounded, responder]) {
      expect((await api.get('/v1/audit/journal', { token })).body.code).toBe('forbidden');
    }
  });
});
