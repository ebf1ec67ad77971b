import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import { generateSigningJwks, openAuditHead, publicJwks, type AuditHead } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import { auditHash, encodeRecord, STREAM_SUBJECTS, STREAMS, type AuditRecord } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { AuditHeads } from './audit-heads.js';

let folder: string;
let connection: MemoryConnection;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-audit-heads-'));
  connection = new MemoryBroker().connect();
  await connection.streams.ensure([STREAMS.audit]);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Adds a record to the chain of an org. @returns its hash */
async function keep(org: string, subject: string): Promise<string> {
  const about = { actor: 'a', actorName: 'Ann', action: 'query.start', outcome: 'allowed', from: '::1' } as const;
  const record: AuditRecord = { atMs: 1, org: org as OrgId, ...about, subject, prev: '' };
  await connection.streams.append(STREAM_SUBJECTS.audit(org as OrgId), encodeRecord(record));
  return auditHash(record);
}

async function headsTo(file: string | undefined) {
  const keys = await generateSigningJwks();
  const logged: unknown[] = [];
  const errors: unknown[] = [];
  const logger = {
    ...silentLogger,
    info: (message: string, fields?: unknown) => void (message === 'audit head' && logged.push(fields)),
    error: (_: string, fields?: unknown) => void errors.push(fields),
  };
  const heads = new AuditHeads({
    ...{ streams: connection.streams, clock: new FakeClock(), logger, metrics: createMetrics('api') },
    ...{ everyMs: 60_000, file, keys: () => keys },
  });
  return { heads, logged, errors, keys: publicJwks(keys).keys };
}

const linesOf = async (file: string): Promise<(AuditHead & { readonly jws: string })[]> =>
  (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditHead & { readonly jws: string });

test('the newest record of each org is put down once, signed, in the file and in the log', async () => {
  const file = join(folder, 'heads.ndjson');
  const { heads, logged, keys } = await headsTo(file);
  await keep('acme', 'one');
  const [acme, globex] = [await keep('acme', 'two'), await keep('globex', 'three')];
  await heads.export();
  await heads.export();
  const next = await keep('acme', 'four');
  await heads.export();
  const lines = await linesOf(file);
  expect(lines.map(({ org, seq, hash }) => [org, seq, hash])).toEqual([
    ['acme', 2, acme],
    ['globex', 3, globex],
    ['acme', 4, next],
  ]);
  for (const { jws, ...head } of lines) expect(openAuditHead(jws, keys)).toEqual({ ok: true, head });
  expect(logged).toEqual(lines);
});

test('a file that cannot be written is told of, and gets the heads when it can', async () => {
  const missing = join(folder, 'later', 'heads.ndjson');
  const { heads, logged, errors } = await headsTo(missing);
  const hash = await keep('acme', 'one');
  await heads.export();
  expect([logged, errors.length]).toEqual([[], 1]);
  const { mkdir } = await import('node:fs/promises');
  await mkdir(join(folder, 'later'));
  await heads.export();
  expect(await linesOf(missing)).toMatchObject([{ org: 'acme', seq: 1, hash }]);
});

test('it goes on at its interval, and ends', async () => {
  const { heads, logged } = await headsTo(undefined);
  await keep('acme', 'one');
  heads.start();
  await heads.export();
  expect(logged).toHaveLength(1);
  await heads.stop();
  await keep('acme', 'two');
  expect(logged).toHaveLength(1);
});
