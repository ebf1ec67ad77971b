import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectNats } from '@muster/bus';
import { natsAccess, newPassword, servicePassword, startNats, type NatsHandle } from '@muster/local/brokers';
import { RESERVE_STREAM, STREAMS } from '@muster/records';
import { silentLogger } from '@muster/runtime';

const MIB = 1024 ** 2;
const SMALL = { MUSTER_STREAM_RESULTS_BYTES: '16MiB', MUSTER_STREAM_IDEMPOTENCY_BYTES: '16MiB' };
const login = { user: 'muster', password: newPassword() };

let folder: string;
let server: NatsHandle;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-setup-'));
  const access = natsAccess(login);
  server = await startNats({ dataDir: folder, logger: silentLogger, access, maxStoreBytes: 64 * MIB });
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

interface Line {
  readonly msg: string;
  readonly stream?: string;
  readonly changes?: readonly string[];
  readonly reason?: string;
}

/** The program, as its own user of NATS. */
async function setUp(env: Readonly<Record<string, string>> = SMALL): Promise<{ code: number; lines: Line[] }> {
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: {
      MUSTER_NATS_URL: `nats://127.0.0.1:${server.port}`,
      MUSTER_NATS_PASSWORD: servicePassword(login, 'setup'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const code = await new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? -1)));
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  return { code, lines: lines.map((line) => JSON.parse(line) as Line) };
}

const changesIn = (lines: readonly Line[]) =>
  lines.filter(({ msg }) => msg === 'stream is set up').map(({ stream, changes }) => `${stream} ${changes?.join()}`);

test('it makes what is missing, changes what differs from the settings, and else nothing', async () => {
  const first = await setUp();
  expect(first.code).toBe(0);
  const all = Object.values(STREAMS).map(({ name }) => `${name} created`);
  expect(changesIn(first.lines).sort()).toEqual(all.sort());
  const again = await setUp();
  expect({ code: again.code, changes: changesIn(again.lines) }).toEqual({ code: 0, changes: [] });
  const changed = await setUp({ ...SMALL, MUSTER_STREAM_AUDIT_AGE: '30d', MUSTER_STREAM_RESULTS_BYTES: '17MiB' });
  expect(changesIn(changed.lines).sort()).toEqual([
    `${STREAMS.audit.name} max_age`,
    `${STREAMS.results.name} max_bytes`,
  ]);
  const broker = await connectNats({ servers: [server.url], name: 'test', logger: silentLogger });
  expect([...(await broker.streams.storage()).streams.keys()]).toContain(RESERVE_STREAM);
  await broker.stop();
}, 60_000);

test('it says so when NATS has too little room, and ends with 1', async () => {
  const { code, lines } = await setUp({ MUSTER_SETUP_PATIENCE: '2s' });
  expect(code).toBe(1);
  const { reason } = lines.find(({ msg }) => msg === 'waiting for the streams') ?? {};
  expect(reason).toMatch(/no room for stream MUSTER_RESULTS: .*the streams reserve 8448 MiB in sum: give NATS more/);
}, 60_000);

test('a stream of a version that is too new is left alone, and named', async () => {
  const broker = await connectNats({ servers: [server.url], name: 'test', logger: silentLogger });
  await broker.streams.ensure([{ ...STREAMS.commands, format: 9 }]);
  const { code, lines } = await setUp();
  expect(code).toBe(1);
  expect(JSON.stringify(lines)).toContain('stream MUSTER_COMMANDS has format 9, and this version knows 1');
  expect([...(await broker.streams.storage()).streams.keys()].sort()).toEqual([STREAMS.commands.name, RESERVE_STREAM]);
  await broker.stop();
}, 60_000);
