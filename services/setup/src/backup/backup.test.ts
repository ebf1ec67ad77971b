import { spawn } from 'node:child_process';
import { appendFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectNats, type Broker, type Entry } from '@muster/bus';
import { natsAccess, newPassword, servicePassword, startNats, type NatsHandle } from '@muster/local/brokers';
import { STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { BACKUP_ORDER } from './back-up.js';

type User = Parameters<typeof servicePassword>[1];
const ORG = 'acme' as Parameters<typeof STREAM_SUBJECTS.audit>[0];
const ENTRIES = 400;
/** Several parts of a snapshot. */
const ENTRY = new Uint8Array(8_000).map((_, i) => (i * 7_919) % 251);
const login = { user: 'muster', password: newPassword() };

let folder: string;
let server: NatsHandle;
let broker: Broker;

async function startServer(): Promise<void> {
  server = await startNats({ dataDir: join(folder, 'nats'), logger: silentLogger, access: natsAccess(login) });
  broker = await connectNats({ servers: [server.url], name: 'test', logger: silentLogger });
}
async function stopServer(): Promise<void> {
  await broker.stop();
  await server.stop();
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-backup-'));
  await startServer();
  await broker.streams.ensure(Object.values(STREAMS).map((stream) => ({ ...stream, maxBytes: 64 * 1024 ** 2 })));
});
afterEach(async () => {
  await stopServer();
  await rm(folder, { recursive: true });
});

/** One of the two programs, as its user of NATS. */
async function run(program: 'backup' | 'restore', user: User, ...args: string[]) {
  const main = fileURLToPath(new URL(`../../dist/${program}/main.js`, import.meta.url));
  const env = {
    MUSTER_NATS_URL: `nats://127.0.0.1:${server.port}`,
    MUSTER_NATS_PASSWORD: servicePassword(login, user),
  };
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const code = await new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? -1)));
  return { code, output };
}

const to = (name: string): string => join(folder, name);

async function entriesOf(stream: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of broker.streams.read(stream))
    entries.push({ ...entry, data: entry.data.slice(), pending: 0 });
  return entries;
}

test('streams come back with their entries, sequences and times, in a NATS that was empty', async () => {
  const subject = STREAM_SUBJECTS.audit(ORG);
  for (let i = 0; i < ENTRIES; i += 1) await broker.streams.append(subject, ENTRY);
  // Sequences have gaps.
  await broker.streams.purge(STREAMS.audit.name, subject, { beforeSeq: 20 });
  await broker.streams.append(STREAM_SUBJECTS.operatorToken(ORG, 't1'), ENTRY);
  const before = [await entriesOf(STREAMS.audit.name), await entriesOf(STREAMS.operatorTokens.name)];
  expect(before[0]).toHaveLength(ENTRIES - 19);
  const backup = await run('backup', 'backup', '--to', to('b'));
  expect([backup.output, backup.code]).toEqual([expect.stringContaining('backup is complete'), 0]);
  expect((await stat(to('b'))).mode & 0o777).toBe(0o700);
  expect((await stat(join(to('b'), 'MUSTER_AUDIT.snapshot'))).mode & 0o777).toBe(0o600);
  await broker.streams.append(subject, ENTRY);

  await stopServer();
  await rm(to('nats'), { recursive: true });
  await startServer();
  const restored = await run('restore', 'setup', '--from', to('b'));
  expect([restored.output, restored.code]).toEqual([expect.stringContaining('all streams are restored'), 0]);
  expect([await entriesOf(STREAMS.audit.name), await entriesOf(STREAMS.operatorTokens.name)]).toEqual(before);
  expect(await broker.streams.newestSeq(STREAMS.audit.name)).toBe(ENTRIES);
  // Its life goes on.
  expect(await broker.streams.append(subject, ENTRY)).toEqual({ kind: 'appended', seq: ENTRIES + 1 });
}, 120_000);

test('a restoration deletes nothing by itself: not what holds entries, and not while services read', async () => {
  const subject = STREAM_SUBJECTS.operatorToken(ORG, 't1');
  await broker.streams.append(subject, ENTRY);
  expect((await run('backup', 'backup', '--to', to('b'))).code).toBe(0);
  await broker.streams.append(subject, new Uint8Array([1]));
  const refused = await run('restore', 'setup', '--from', to('b'));
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('MUSTER_TOKENS hold entries')]);
  expect((await broker.streams.last(STREAMS.operatorTokens.name, subject))?.seq).toBe(2);

  const stopping = new AbortController();
  const reading = broker.streams.read(STREAMS.identities.name, { follow: true, signal: stopping.signal });
  const read = reading[Symbol.asyncIterator]().next();
  await broker.bus.flush();
  const busy = await run('restore', 'setup', '--from', to('b'), '--replace');
  expect([busy.code, busy.output]).toEqual([1, expect.stringContaining('services read MUSTER_IDENTITIES')]);
  stopping.abort();
  await read;
  expect((await run('restore', 'setup', '--from', to('b'), '--replace')).code).toBe(0);
  const last = await broker.streams.last(STREAMS.operatorTokens.name, subject);
  expect([last?.seq, last?.data.length]).toEqual([1, ENTRY.length]);
}, 120_000);

test('a folder that is no whole backup is refused, and nothing is changed', async () => {
  await broker.streams.append(STREAM_SUBJECTS.operatorToken(ORG, 't1'), ENTRY);
  expect((await run('backup', 'backup', '--to', to('b'))).code).toBe(0);
  const again = await run('backup', 'backup', '--to', to('b'));
  expect([again.code, again.output]).toEqual([1, expect.stringContaining('is not empty')]);
  await appendFile(join(to('b'), 'MUSTER_HEALTH.snapshot'), 'x');
  const changed = await run('restore', 'setup', '--from', to('b'), '--replace');
  expect([changed.code, changed.output]).toEqual([
    1,
    expect.stringMatching(/MUSTER_HEALTH.snapshot has \d+ bytes where/),
  ]);
  await rm(join(to('b'), 'backup.json'));
  const cut = await run('restore', 'setup', '--from', to('b'), '--replace');
  expect([cut.code, cut.output]).toEqual([1, expect.stringContaining('is no backup')]);
  await writeFile(join(to('b'), 'backup.json'), JSON.stringify({ format: 2, streams: [] }));
  expect((await run('restore', 'setup', '--from', to('b'))).output).toContain('has format 2');
  expect(await entriesOf(STREAMS.operatorTokens.name)).toHaveLength(1);
  // Who backs up cannot restore.
  expect((await run('restore', 'backup', '--from', to('b'))).code).toBe(1);
}, 120_000);

test('every stream is in a backup, and the one that points into another comes before it', () => {
  expect([...BACKUP_ORDER].sort()).toEqual(Object.keys(STREAMS).sort());
  const at = (key: keyof typeof STREAMS): number => BACKUP_ORDER.indexOf(key);
  for (const [points, into] of [
    ['webhooks', 'audit'],
    ['scans', 'queries'],
    ['scans', 'packs'],
    ['vulnerabilities', 'queries'],
    ['feeds', 'feedParts'],
    ['webhooks', 'webhookDeliveries'],
    ['webhooks', 'commands'],
    ['webhooks', 'identities'],
    ['audit', 'commands'],
    ['idempotency', 'commands'],
    ['queries', 'results'],
  ] as const)
    expect([points, at(points) < at(into)]).toEqual([points, true]);
});
