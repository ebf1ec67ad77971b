import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectNats, type Broker } from '@muster/bus';
import type { AuditHead } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import { auditHash, decodeRecord, encodeRecord, STREAM_SUBJECTS, STREAMS, type AuditRecord } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { muster, type CliResult } from '../kit/cli.js';
import { startHarness, type Harness } from '../kit/harness.js';

// Whoever may do everything at NATS can cut the audit off, or write it anew from its first record. It fits in itself afterwards.

let folder: string;
let harness: Harness;
let thief: Broker;
let org: OrgId;
let subject: string;
const stream = STREAMS.audit.name;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-audit-'));
  harness = await startHarness({ env: { api: { MUSTER_API_AUDIT_HEADS_EVERY: '1s' } }, folder });
  org = harness.stack.org as OrgId;
  subject = STREAM_SUBJECTS.audit(org);
  thief = await connectNats({ servers: [harness.brokers.nats.url], name: 'thief', logger: silentLogger });
});
afterAll(async () => {
  await thief.stop();
  await harness.close();
  await rm(folder, { recursive: true, force: true });
});

/** What the audit has a record of. */
const act = (name: string): Promise<unknown> => harness.api.call('POST /v1/tokens', { body: { name, role: 'viewer' } });
const file = (): string => join(folder, 'audit-heads.ndjson');
const keys = (): string => join(folder, 'keys', 'record-public-keys.json');
const verify = (...args: string[]): Promise<CliResult> => muster(harness, ['audit', 'verify', ...args]);
const withHeads = (): Promise<CliResult> => verify('--heads', file(), '--heads-keys', keys());

async function records(): Promise<readonly { readonly seq: number; readonly record: AuditRecord }[]> {
  const found = [];
  for await (const { seq, data } of thief.streams.read(stream, { subject }))
    found.push({ seq, record: decodeRecord<AuditRecord>(data) });
  return found;
}

/** The newest record is in the file. */
const isKept = async (): Promise<boolean> => {
  const newest = (await records()).at(-1);
  const lines = (await readFile(file(), 'utf8')).trim().split('\n');
  return (JSON.parse(lines.at(-1) ?? '') as AuditHead).seq === newest?.seq;
};

async function removeNewest(): Promise<void> {
  const seq = (await records()).at(-1)?.seq;
  const request = Buffer.from(JSON.stringify({ seq }));
  const reply = await thief.bus.request(`$JS.API.STREAM.MSG.DELETE.${stream}`, request, { timeoutMs: 5_000 });
  expect(reply.kind === 'reply' && JSON.parse(Buffer.from(reply.data).toString())).toMatchObject({ success: true });
}

test('heads are put down as the audit grows, and are in the chain', async () => {
  for (const name of ['one', 'two', 'three']) await act(name);
  await eventually(isKept, 'the head is put down');
  await act('four');
  await eventually(isKept, 'the next head is put down');
  const { code, stdout } = await withHeads();
  expect([code, stdout]).toEqual([0, expect.stringMatching(/heads +\d+ heads? found; their signatures are valid/)]);
});

test('an audit whose end was cut off, and that went on since, verifies, and does not have the heads that were kept', async () => {
  for (const name of ['the deed', 'its trace']) await act(name);
  await eventually(isKept, 'the head is put down');
  const before = (await records()).length;
  for (let i = 0; i < 2; i += 1) await removeNewest();
  expect((await records()).length).toBe(before - 2);
  expect(await withHeads()).toMatchObject({ code: 1, stderr: expect.stringContaining('the chain ends with record') });
  await act('as if nothing had been');
  await eventually(async () => (await records()).length === before - 1);
  expect((await verify()).code).toBe(0);
  const { code, stderr } = await withHeads();
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/the chain is not the one whose heads were kept: record \d+ is not there/),
  ]);
});

test('an audit that was written anew from its first record verifies, and does not have the heads that were kept', async () => {
  const old = (await records()).map(({ record }) => record);
  await thief.streams.purge(stream, subject);
  let prev = '';
  for (const record of old) {
    const forged = { ...record, actorName: 'somebody else', prev };
    prev = auditHash(forged);
    await thief.streams.append(subject, encodeRecord(forged));
  }
  expect((await verify()).code).toBe(0);
  const { code, stderr } = await withHeads();
  expect([code, stderr]).toEqual([1, expect.stringContaining('the chain is not the one whose heads were kept')]);
  // The API puts the new head down too: the file has both, and the first ones still tell.
  await eventually(isKept, 'the forged head is put down');
  expect((await withHeads()).code).toBe(1);
});
