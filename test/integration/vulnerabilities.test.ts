import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { muster } from '../kit/cli.js';
import { startHarness, type Harness } from '../kit/harness.js';

/** What this machine has, by dpkg's own word. */
function installed(): { readonly source: string; readonly version: string }[] {
  const format = '${db:Status-Abbrev}\t${source:Package}\t${source:Version}\n';
  const lines = execFileSync('dpkg-query', ['-W', '-f', format], { encoding: 'utf8' }).split('\n');
  const rows = lines.map((line) => line.split('\t')).filter(([status]) => status?.startsWith('ii'));
  // Of a source with several versions the verdict is not one.
  const bySource = new Map<string, Set<string>>();
  for (const [, source = '', version = ''] of rows)
    bySource.set(source, (bySource.get(source) ?? new Set()).add(version));
  return [...bySource].flatMap(([source, versions]) =>
    versions.size === 1 && !source.startsWith('linux') ? [{ source, version: [...versions][0] ?? '' }] : [],
  );
}

const release = /^VERSION_ID="?(\d+)/m.exec(execFileSync('cat', ['/etc/os-release'], { encoding: 'utf8' }))?.[1] ?? '';
const ECOSYSTEM = `Debian:${release}`;
const isDebian = /^ID=debian$/m.test(execFileSync('cat', ['/etc/os-release'], { encoding: 'utf8' }));

interface Written {
  readonly id: string;
  readonly cve: string;
  readonly source: string;
  readonly fixed: string;
}

/** Versions around the installed one. */
const AROUND = [
  (version: string) => version,
  (version: string) => `${version}~rc1`,
  (version: string) => `${version}+deb1`,
  () => '0~~',
  () => '99:1',
  (version: string) => version.replace(/^\d+:/, ''),
];

let harness: Harness;
let folder: string;
let written: Written[];
/** Those that dpkg calls older than what is fixed: asked once, as each word of it is a process. */
let expected: Written[];
const packages = installed();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-feeds-'));
  harness = await startHarness({ postures: 2, restart: true });
  await harness.stack.addAgent({});
  written = packages.slice(0, 240).map(({ source, version }, i) => ({
    ...{ id: `DSA-${i}-1`, cve: `CVE-2026-${i}`, source },
    fixed: AROUND[i % AROUND.length]?.(version) ?? '',
  }));
  expected = written.filter(isVulnerable);
  const severity = [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }];
  const records = written.map(({ id, cve, source, fixed }) => ({
    ...{
      schema_version: '1.7.0',
      id,
      modified: '2026-11-01T00:00:00Z',
      upstream: [cve],
      severity,
      details: 'x'.repeat(500),
    },
    affected: [
      {
        package: { ecosystem: ECOSYSTEM, name: source },
        ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }],
      },
    ],
  }));
  const withdrawn = { ...records[4], id: 'DSA-W-1', upstream: ['CVE-2026-9999'], withdrawn: '2026-11-02T00:00:00Z' };
  await writeFile(join(folder, 'debian.json'), [...records, withdrawn].map((one) => JSON.stringify(one)).join('\n'));
});
afterAll(async () => {
  await harness?.close();
  await rm(folder, { recursive: true, force: true });
});

const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};
const scan = async (...args: string[]) => {
  const { code, stdout, stderr } = await muster(harness, ['vulnerabilities', 'scan', '-o', 'json', ...args]);
  if (stdout === '') throw new Error(stderr);
  return { code, found: JSON.parse(stdout) };
};
const ended = (id: string) =>
  eventually(
    async () => {
      const now = await harness.api.call('GET /v1/vulnerability-scans/{id}', { params: { id } });
      if (now.state === 'running') throw new Error('it runs');
      return now;
    },
    'the scan is compared',
    60_000,
  );
/** A scan whose exit code is not the point. */
const scanned = async () => ended((await harness.api.call('POST /v1/vulnerability-scans', { body: {} })).id);
const found = () => harness.api.all('GET /v1/vulnerabilities', { query: { limit: 1_000 } });

/** By dpkg's word. */
const isVulnerable = ({ source, fixed }: Written): boolean => {
  const version = packages.find((one) => one.source === source)?.version ?? '';
  try {
    execFileSync('dpkg', ['--compare-versions', version, 'lt', fixed]);
    return true;
  } catch {
    return false;
  }
};

(isDebian ? describe : describe.skip)('vulnerable software of this machine', () => {
  test('without a feed nothing is known, and nothing looks safe', async () => {
    const { code, found: first } = await scan();
    expect(first).toMatchObject({ state: 'complete', packages: { vulnerable: 0, not_vulnerable: 0 } });
    expect(first.packages.not_known).toBeGreaterThan(200);
    expect(first.notKnown).toContainEqual(
      expect.objectContaining({ ecosystem: ECOSYSTEM, reason: expect.stringContaining('no records') }),
    );
    expect(code).toBe(3);
    // A kernel that no package has is in no feed.
    const kernel = execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim();
    const isPackaged = execFileSync('dpkg-query', ['-W', '-f', '${Package}\n'], { encoding: 'utf8' })
      .split('\n')
      .some((name) => name.startsWith('linux-image-') && name.includes(kernel));
    const told = first.notKnown.some(({ reason }: { reason: string }) => reason.includes('running kernel'));
    expect(told).toBe(!isPackaged);
  });

  test('an admin imports a feed; an analyst reads it and may not change it', async () => {
    const packed = gzipSync(await readFile(join(folder, 'debian.json')));
    const mirror = createServer((_request, response) => response.end(packed)).listen(0, '127.0.0.1');
    await once(mirror, 'listening');
    const address = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}/debian.json.gz`;
    const { code, stdout } = await muster(harness, ['feed', 'import', address]);
    mirror.close();
    expect({ code, stdout }).toEqual({
      ...{ code: 0, stdout: 'debian: 241 records, 1 withdrawn, 1 ecosystem, 0 could not be read\n' },
    });
    const { token } = await harness.api.call('POST /v1/tokens', { body: { name: 'ann', role: 'analyst' } });
    const ask = (method: string, path: string): Promise<Response> =>
      fetch(harness.stack.apiUrl + path, { method, headers: { authorization: `Bearer ${token}` } });
    expect((await ask('GET', '/v1/feeds/debian')).status).toBe(200);
    expect((await ask('DELETE', '/v1/feeds/debian')).status).toBe(403);
    const { items } = await harness.api.call('GET /v1/audit', { query: { limit: 20 } });
    expect(items).toContainEqual(
      expect.objectContaining({ action: 'feed.import', outcome: 'allowed', subject: 'debian' }),
    );
  });

  test('each verdict is that of dpkg, with the fixed version', async () => {
    expect(await scanned()).toMatchObject({
      ...{ state: 'complete', questions: [{ ledger: { targeted: 1, answered: 1 } }, {}] },
    });
    // Some of each kind, or the comparison says nothing.
    expect(expected.length).toBeGreaterThan(60);
    expect(expected.length).toBeLessThan(200);
    const all = await found();
    expect(all.map(({ id }) => id).toSorted()).toEqual(expected.map(({ cve }) => cve).toSorted());
    const [one] = expected;
    const shown = await harness.api.call('GET /v1/vulnerabilities/{id}', { params: { id: one?.cve ?? '' } });
    expect(shown).toMatchObject({
      ...{ severity: 'critical', advisories: [one?.id], endpointsAtLeast: 1, endpointsAtMost: 1, fixable: true },
      affected: [{ ecosystem: ECOSYSTEM, package: one?.source, fixedVersion: one?.fixed, sample: [{ num: 1 }] }],
    });
    const { sql = '', selector = '' } = shown.question ?? {};
    const asked = await harness.api.call('POST /v1/queries', { query: { wait: '20s' }, body: { sql, selector } });
    expect(asked).toMatchObject({ state: 'complete', ledger: { answered: 1 } });
  });

  test('EPSS and KEV come first, and a VEX statement suppresses with its reason until its end', async () => {
    const [first, second, third] = expected;
    const epss = await file('epss.csv', `#model\ncve,epss,percentile\n${second?.cve},0.5,0.99\nCVE-1999-1,0.1,0.2\n`);
    const kev = await file(
      'kev.json',
      JSON.stringify({ vulnerabilities: [{ cveID: third?.cve, dateAdded: '2026-01-02' }] }),
    );
    const product = `pkg:deb/debian/${encodeURIComponent(first?.source ?? '')}?distro=debian-${release}`;
    const statement = { vulnerability: { name: first?.cve }, products: [{ '@id': product }], status: 'not_affected' };
    const document = {
      '@context': 'https://openvex.dev/ns/v0.2.0',
      statements: [{ ...statement, justification: 'component_not_present', impact_statement: 'it is not started' }],
    };
    const vex = await file('vex.json', JSON.stringify(document));
    const imports = [
      [epss, '--kind', 'epss'],
      [kev, '--kind', 'kev'],
      [vex, '--kind', 'vex', '--for', '30d'],
    ];
    const imported = await Promise.all(imports.map((args) => muster(harness, ['feed', 'import', ...args])));
    expect(imported.map(({ code }) => code)).toEqual([0, 0, 0]);
    const { code, found: last } = await scan('--fail-on', 'critical');
    expect({ code, last }).toMatchObject({ code: 4, last: { suppressed: 1, knownExploited: 1 } });
    const all = await found();
    expect(all[0]).toMatchObject({ knownExploited: { dateAdded: '2026-01-02', ransomware: false } });
    expect(all[1]).toMatchObject({ id: second?.cve, epss: { probability: 0.5, percentile: 0.99 } });
    expect(all.map(({ id }) => id)).not.toContain(first?.cve);
    const shown = await harness.api.call('GET /v1/vulnerabilities/{id}', { params: { id: first?.cve ?? '' } });
    expect(shown.affected).toMatchObject([{ suppressed: { reason: 'it is not started', status: 'not_affected' } }]);
    const csv = await muster(harness, ['vulnerabilities', 'list', '-o', 'csv', '--search', second?.cve ?? '']);
    expect(csv.stdout).toContain(`${second?.cve},critical,9.8,0.5,false,true,1,1,1`);
  });

  test('of a feed with faults nothing counts as safe, and the faults are told', async () => {
    const path = await file(
      'broken.json',
      `{"id":"X"}\n${JSON.stringify({ id: 'Y', modified: 'x', affected: [{ package: { ecosystem: ECOSYSTEM, name: 'none' } }] })}\n{"id":`,
    );
    const { code, stderr } = await muster(harness, ['feed', 'import', path, '--name', 'broken']);
    expect({ code, stderr }).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('the text ends inside a record'),
    });
    expect((await scanned()).packages).toMatchObject({ not_vulnerable: 0 });
    expect(await muster(harness, ['feed', 'delete', 'broken'])).toMatchObject({ code: 0 });
    expect((await scanned()).packages?.not_vulnerable).toBeGreaterThan(40);
  });

  test('posture services are killed while they compare: the scan is complete all the same', async () => {
    const { id } = await harness.api.call('POST /v1/vulnerability-scans', { body: {} });
    for (const posture of harness.stack.postures) posture.signal('SIGKILL');
    expect(await ended(id)).toMatchObject({ state: 'complete', suppressed: 1 });
    const items = await harness.api.all('GET /v1/vulnerabilities', { query: { scan: id, limit: 1_000 } });
    expect(items).toHaveLength(expected.length - 1);
  });
});
