import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync, inflateRawSync } from 'node:zlib';
import { afterAll, expect, test } from '@jest/globals';
import { LIMITS } from '@muster/protocol';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness();
const folder = mkdtempSync(join(tmpdir(), 'muster-feeds-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Part {
  readonly data: string;
  readonly refused: number;
  readonly faults: readonly string[];
}

/** What arrived, in all parts. */
async function imported(path: string, kind = 'osv', more: readonly string[] = []) {
  const refused = { count: 0 };
  api.json('POST /v1/feeds/f/uploads', { upload: 'u' }, 201);
  api.json('PUT /v1/feeds/f/parts', {});
  api.json(
    'POST /v1/feeds/f/versions',
    {
      ...{ name: 'f', kind: 'osv', records: 1, withdrawn: 0, refused: 0, faults: [], ecosystems: 1, bytes: 1 },
      ...{ upload: 'u', importedAt: '2026-11-30T10:00:00.000Z', importedBy: { id: 'a', name: 'A' } },
    },
    201,
  );
  const { code, err } = await muster(['feed', 'import', path, '--name', 'f', '--kind', kind, ...more]);
  const parts = api.requests.filter(({ method }) => method === 'PUT').map(({ body }) => body as Part);
  const records = parts.flatMap(({ data }) =>
    inflateRawSync(Buffer.from(data, 'base64'))
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== ''),
  );
  refused.count = parts.reduce((sum, part) => sum + part.refused, 0);
  return { code, err, records, refused: refused.count, faults: parts.flatMap(({ faults }) => faults) };
}

const record = (id: string, more: object = {}): string =>
  JSON.stringify({ id, modified: '2026-11-01T00:00:00Z', ...more });

test('packed files in a folder are read, and links are told', async () => {
  const mirror = join(folder, 'mirror');
  mkdirSync(join(mirror, 'deep'), { recursive: true });
  writeFileSync(join(mirror, 'a.json'), record('A'));
  writeFileSync(join(mirror, 'deep', 'b.json.gz'), gzipSync(record('B')));
  writeFileSync(join(mirror, 'README.md'), 'no records');
  symlinkSync(join(mirror, 'a.json'), join(mirror, 'c.json'));
  const { records, refused, faults } = await imported(mirror);
  expect(records.map((text) => (JSON.parse(text) as { id: string }).id).toSorted()).toEqual(['A', 'B']);
  expect({ refused, faults }).toEqual({ refused: 1, faults: [expect.stringContaining('a link')] });
});

test('a last record that is too large when it is compressed is told', async () => {
  // Versions that do not compress.
  const versions = Array.from({ length: 4_000 }, () => randomBytes(190).toString('base64'));
  const large = record('L', { affected: [{ package: { ecosystem: 'npm', name: 'a' }, versions }] });
  expect(large.length).toBeGreaterThan(LIMITS.feedPartBytes);
  const path = join(folder, 'large.json');
  writeFileSync(path, `${record('A')}\n${large}`);
  const { records, refused, faults } = await imported(path);
  expect(records).toHaveLength(1);
  expect({ refused, faults }).toEqual({ refused: 1, faults: [expect.stringContaining('too large')] });
});

/** A zip as mirrors give it out: each file deflated (APPNOTE 4.3). */
function zipOf(files: Readonly<Record<string, string>>): Buffer {
  const entries: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const packed = deflateRawSync(text);
    const path = Buffer.from(name);
    const head = Buffer.alloc(26);
    // Version, flags, method, time, date, checksum, sizes, length of the name, no extra field.
    head.writeUInt16LE(20, 0);
    head.writeUInt16LE(8, 4);
    head.writeUInt32LE(crc32(text), 10);
    head.writeUInt32LE(packed.length, 14);
    head.writeUInt32LE(Buffer.byteLength(text), 18);
    head.writeUInt16LE(path.length, 22);
    const entry = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), head, path, packed]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), head, place, path]));
    entries.push(entry);
    offset += entry.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(directory.length, 4);
  end.writeUInt16LE(directory.length, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...entries, ...directory, Buffer.from('PK\x05\x06', 'latin1'), end]);
}

const idsOf = (records: readonly string[]): string[] =>
  records.map((text) => (JSON.parse(text) as { id: string }).id).toSorted();

/** Imports what a server of the test's own answers with. */
async function downloaded(answer: Buffer | number) {
  const server = createServer((_request, response) => {
    if (typeof answer === 'number') return void response.writeHead(answer).end('no');
    // In small pieces, as over a slow line.
    for (let at = 0; at < answer.length; at += 100) response.write(answer.subarray(at, at + 100));
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await imported(`http://127.0.0.1:${(server.address() as AddressInfo).port}/Debian/all.zip`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const ZIP = zipOf({
  'A.json': record('A'),
  'deep/B.json': record('B', { details: '\u00fcber' }),
  'README.md': 'no records',
  'inner.zip': 'packed in it',
});

test('a zip of a file: its records are read, and packed files in it are told', async () => {
  const path = join(folder, 'all.zip');
  writeFileSync(path, ZIP);
  const { records, faults } = await imported(path);
  expect(idsOf(records)).toEqual(['A', 'B']);
  expect(faults).toEqual([expect.stringContaining('a packed file in a zip is not read')]);
});

test.each([
  ['zip', ZIP],
  ['gzip', gzipSync(`${record('A')}\n${record('B')}\n`)],
  ['NDJSON', Buffer.from(`${record('A')}\n${record('B')}\n`)],
])('an address whose answer is %s, whatever it is called', async (_form, answer) => {
  expect(idsOf((await downloaded(answer)).records)).toEqual(['A', 'B']);
});

test('a gzip or a zip that breaks off is a fault, and no version of the feed is made of it', async () => {
  const many = Array.from({ length: 500 }, (_, i) => record(`R${i}`, { details: randomBytes(40).toString('hex') }));
  for (const whole of [gzipSync(many.join('\n')), ZIP]) {
    const { code, err } = await downloaded(whole.subarray(0, whole.length - 40));
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringMatching(/^error: [^\n]+\n$/) });
    expect(api.requests.some(({ path }) => path === '/v1/feeds/f/versions')).toBe(false);
    api.requests.length = 0;
  }
});

test('an address that does not have it is a fault', async () => {
  expect(await downloaded(404)).toMatchObject({ code: 1, err: expect.stringContaining('answers 404') });
});

test.each(['../up.json', '/root.json', 'c:\\drive.json'])(
  'an entry of a zip called %s is refused alone',
  async (name) => {
    const path = join(folder, 'names.zip');
    writeFileSync(path, zipOf({ 'A.json': record('A'), [name]: record('E'), 'B.json': record('B') }));
    const { code, records, refused, faults } = await imported(path);
    expect({ code, refused, ids: idsOf(records) }).toEqual({ code: 0, refused: 1, ids: ['A', 'B'] });
    expect(faults).toEqual([expect.stringMatching(/names\.zip: .+\.json: (absolute|invalid relative) path/)]);
  },
);

test('an entry that is packed in a way that is not known is refused alone', async () => {
  const zip = zipOf({ 'A.json': record('A'), 'B.json': record('B') });
  // The method in the directory, of the second entry.
  zip.writeUInt16LE(93, zip.lastIndexOf(Buffer.from('PK\x01\x02', 'latin1')) + 10);
  const path = join(folder, 'method.zip');
  writeFileSync(path, zip);
  const { records, faults } = await imported(path);
  expect(idsOf(records)).toEqual(['A']);
  expect(faults).toEqual([expect.stringMatching(/method\.zip: B\.json: unsupported compression method/)]);
});

test('what is damaged in a file is one line that names the file and the entry', async () => {
  const directory = zipOf({ 'A.json': record('A'), 'B.json': record('B') });
  directory.write('XX', directory.lastIndexOf(Buffer.from('PK\x01\x02', 'latin1')));
  const content = zipOf({ 'A.json': record('A', { details: 'x'.repeat(500) }) });
  content.fill(0xff, 36, 46);
  const packed = gzipSync(record('A', { details: randomBytes(5_000).toString('hex') }));
  packed.fill(0xff, 20, 40);
  const damaged = { 'directory.zip': directory, 'content.zip': content, 'packed.json.gz': packed };
  const where = [/directory\.zip: what follows A\.json/, /content\.zip: A\.json/, /packed\.json\.gz/];
  for (const [i, [name, bytes]] of Object.entries(damaged).entries()) {
    writeFileSync(join(folder, name), bytes);
    const { code, err } = await imported(join(folder, name));
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(where[i] ?? /^$/) });
    expect(err).toMatch(/^error: [^\n]+ cannot be read: [^\n]+\n$/);
  }
});

test('an address that breaks off is one line that names it', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': 1_000_000 }).write('{"id"', () => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { code, err } = await imported(`http://127.0.0.1:${(server.address() as AddressInfo).port}/all.json`);
  server.close();
  expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/^error: http:\S+ cannot be read: [^\n]+\n$/) });
});

test('a list with a null in it loses nothing else, and the place is told', async () => {
  const path = join(folder, 'list.json');
  writeFileSync(path, `[null, ${record('A')}, "text", ${record('B')}]`);
  const { records, refused, faults } = await imported(path);
  expect({ refused, ids: idsOf(records) }).toEqual({ refused: 2, ids: ['A', 'B'] });
  expect(faults).toEqual([`${path}: record 1: null is no object`, `${path}: record 3: "text" is no object`]);
});

test('so does a catalogue of exploited vulnerabilities', async () => {
  const path = join(folder, 'kev.json');
  const entry = { cveID: 'CVE-2026-1', dateAdded: '2026-01-01' };
  writeFileSync(path, JSON.stringify({ vulnerabilities: [entry, null] }));
  const { records, faults } = await imported(path, 'kev');
  expect(records.map((text) => JSON.parse(text) as unknown)).toEqual([entry]);
  expect(faults).toEqual([`${path}: record 2: null is no object`]);
});

const of = (...ecosystems: readonly string[]) => ({
  affected: ecosystems.map((ecosystem) => ({ package: { ecosystem, name: 'openssl' }, versions: ['1'] })),
});

test('only what records say of the ecosystems that are named is imported', async () => {
  const file = join(folder, 'mixed.ndjson');
  const lines = [
    record('A', of('Debian:12')),
    record('B', of('npm')),
    record('C', of('debian:13', 'Debian:12', 'Alpine:v3.20')),
    record('D', of('Debiant:12')),
    record('E'),
  ];
  writeFileSync(file, lines.join('\n'));
  const seen = async (...args: readonly string[]) => {
    api.requests.length = 0;
    const { records, ...rest } = await imported(file, 'osv', args);
    const read = records.map(
      (text) => JSON.parse(text) as { id: string; affected: { package: { ecosystem: string } }[] },
    );
    const kept = read.map(({ id, affected }) => [id, ...affected.map((one) => one.package.ecosystem)]);
    return { kept: Object.fromEntries(kept.map(([id, ...names]) => [id, names])), ...rest };
  };
  const twelve = await seen('--ecosystem', 'Debian:12');
  expect(twelve).toMatchObject({ code: 0, refused: 0, kept: { A: ['Debian:12'], C: ['Debian:12'] } });
  expect(Object.keys(twelve.kept)).toHaveLength(2);
  expect(twelve.err).toContain('3 records of other ecosystems left out');
  expect((await seen('--ecosystem', 'debian')).kept).toEqual({ A: ['Debian:12'], C: ['debian:13', 'Debian:12'] });
  expect((await seen('--ecosystem', 'npm,Alpine')).kept).toEqual({ B: ['npm'], C: ['Alpine:v3.20'] });
});

test('a name that no record has imports nothing, and says which there are', async () => {
  const file = join(folder, 'few.ndjson');
  writeFileSync(file, [record('A', of('Debian:12')), record('B', of('npm'))].join('\n'));
  const { code, err } = await imported(file, 'osv', ['--ecosystem', 'Debain:12']);
  expect({ code, isMade: api.requests.some(({ path }) => path.endsWith('/versions')) }).toEqual({
    code: 1,
    isMade: false,
  });
  expect(err).toContain('the records are of Debian:12, npm');
  expect((await imported(file, 'kev', ['--ecosystem', 'npm'])).code).toBe(2);
  expect((await imported(file, 'osv', ['--ecosystem', ' ,'])).code).toBe(2);
});

test('one name of several that no record has imports nothing, and is named', async () => {
  const file = join(folder, 'few.ndjson');
  writeFileSync(file, [record('A', of('Debian:12')), record('B', of('debian:13')), record('C', of('npm'))].join('\n'));
  const { code, err } = await imported(file, 'osv', ['--ecosystem', 'Debian:12', 'Debain:13', 'NPM,PyPI']);
  expect({ code, isMade: api.requests.some(({ path }) => path.endsWith('/versions')) }).toEqual({
    code: 1,
    isMade: false,
  });
  expect(err).toContain('no record is of Debain:13, PyPI; nothing was imported');
  expect(err).toContain('the records are of debian:13');
  // Both names are of the same records.
  expect((await imported(file, 'osv', ['--ecosystem', 'Debian', 'Debian:12', 'npm'])).code).toBe(0);
});
