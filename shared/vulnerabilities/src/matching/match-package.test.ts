import { expect, test } from '@jest/globals';
import type { OsvRecord } from '../feed/osv-record.js';
import { VulnerabilityIndex } from '../feed/vulnerability-index.js';
import { vexStatementSchema } from '../feed/vex-statement.js';
import { applyStatements, StatementIndex } from './exceptions.js';
import { debianPackages, ecosystemOf, rpmPackages } from './installed-packages.js';
import { matchPackage } from './match-package.js';

type Events = { introduced?: string; fixed?: string; last_affected?: string; limit?: string }[];

function record(id: string, events: Events, more: Partial<OsvRecord> = {}, ecosystem = 'Debian:12'): OsvRecord {
  const affected = [{ package: { ecosystem, name: 'docker.io' }, ranges: [{ type: 'ECOSYSTEM' as const, events }] }];
  return { id, modified: '2026-01-01T00:00:00Z', affected, ...more };
}

function answer(records: readonly OsvRecord[], version: string, ecosystem = 'Debian:12'): string {
  const index = new VulnerabilityIndex();
  for (const one of records) index.add(one);
  return matchPackage(index, { ecosystem, name: 'docker.io', version }).answer;
}

const FIXED = [{ introduced: '0' }, { fixed: '20.10.24+dfsg1-1+deb12u1' }];

test('a version before the fixed one is vulnerable, from the fixed one on it is not', () => {
  expect(answer([record('A', FIXED)], '20.10.24+dfsg1-1')).toBe('vulnerable');
  expect(answer([record('A', FIXED)], '20.10.24+dfsg1-1+deb12u1')).toBe('not_vulnerable');
});

test('events count in the order of their versions, and several ranges of one list too', () => {
  const events = [{ fixed: '3' }, { introduced: '2' }, { fixed: '1' }, { introduced: '0' }];
  expect(['0.5', '1', '2', '2.9', '3'].map((version) => answer([record('A', events)], version))).toEqual([
    ...['vulnerable', 'not_vulnerable', 'vulnerable', 'vulnerable', 'not_vulnerable'],
  ]);
  const last = [{ introduced: '1' }, { last_affected: '2' }];
  expect(['0.9', '1', '2', '2-0.1'].map((version) => answer([record('A', last)], version))).toEqual([
    ...['not_vulnerable', 'vulnerable', 'vulnerable', 'not_vulnerable'],
  ]);
});

test('what is not known is never told as safe', () => {
  expect(answer([record('A', FIXED)], '1', 'Debian:11')).toBe('not_known');
  expect(answer([record('A', FIXED)], 'nonsense version')).toBe('not_known');
  expect(answer([record('A', [{ introduced: 'x y' }])], '1')).toBe('not_known');
  expect(answer([record('A', [])], '1')).toBe('not_known');
  expect(answer([record('A', FIXED, {}, 'Alpine:v3.20')], '1', 'Alpine:v3.20')).toBe('not_known');
  const git = record('A', FIXED);
  git.affected![0]!.ranges![0]!.type = 'GIT';
  expect(answer([git], '1')).toBe('not_known');
});

test('a feed that could not be read as a whole shows nothing as safe', async () => {
  const index = new VulnerabilityIndex();
  await index.read([JSON.stringify(record('A', FIXED)), '{"id": "broken"']);
  expect(index).toMatchObject({ complete: false, counts: { records: 1 }, faults: ['the text ends inside a record'] });
  const match = (version: string) => matchPackage(index, { ecosystem: 'Debian:12', name: 'docker.io', version });
  expect(match('1').answer).toBe('vulnerable');
  expect(match('99').answer).toBe('not_known');
});

test('withdrawn records are left out, and show that the feed knows the ecosystem', () => {
  const withdrawn = record('A', FIXED, { withdrawn: '2026-02-01T00:00:00Z' });
  expect(answer([withdrawn], '1')).toBe('not_vulnerable');
});

test('the fixed version and the score come with a match', () => {
  const index = new VulnerabilityIndex();
  const severity = [
    { type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' },
    { type: 'Ubuntu', score: 'medium' },
  ];
  index.add(record('A', [...FIXED, { introduced: '0:30' }, { fixed: '31' }], { severity, aliases: ['CVE-2026-1'] }));
  const { matches } = matchPackage(index, { ecosystem: 'Debian:12', name: 'docker.io', version: '20.10.5' });
  expect(matches).toMatchObject([
    {
      fixed: '20.10.24+dfsg1-1+deb12u1',
      advisory: { aliases: ['CVE-2026-1'], score: { score: 9.8, rating: 'critical' } },
    },
  ]);
});

const DEBIAN = { platform: 'debian', version: '12', kernel: '6.1.0-18-amd64' };

test('Debian packages are their sources, with the version of the source', () => {
  const rows = [
    { name: 'docker.io', version: '20.10.24+dfsg1-1+deb12u1+b6', source: 'docker.io (20.10.24+dfsg1-1+deb12u1)' },
    { name: 'podman', version: '4.3.1+ds1-8+b1', source: 'libpod (4.3.1+ds1-8)' },
    { name: 'libssl3', version: '3.0.11-1', source: 'openssl' },
    { name: 'openssl', version: '3.0.11-1', source: '' },
  ];
  expect(debianPackages(rows, DEBIAN).map(({ name, version }) => `${name} ${version}`)).toEqual([
    'docker.io 20.10.24+dfsg1-1+deb12u1',
    'libpod 4.3.1+ds1-8',
    'openssl 3.0.11-1',
  ]);
});

test('of kernels only the running one counts', () => {
  const rows = [
    { name: 'linux-image-6.1.0-17-amd64', version: '6.1.69-1', source: 'linux-signed-amd64 (6.1.69+1)' },
    { name: 'linux-image-6.1.0-18-amd64', version: '6.1.76-1', source: 'linux-signed-amd64 (6.1.76+1)' },
    { name: 'linux-libc-dev', version: '6.1.90-1', source: 'linux' },
  ];
  const names = debianPackages(rows, DEBIAN).map(({ name, version }) => `${name} ${version}`);
  expect(names).toEqual(['linux 6.1.76-1', 'linux 6.1.90-1']);
  const unsigned = { name: 'linux-image-6.1.0-18-amd64-unsigned', version: '6.1.76-1', source: 'linux' };
  expect(debianPackages([unsigned], DEBIAN)).toHaveLength(1);
  const kernels = ['5.14.0', '5.15.0'].map((version) => ({
    ...{ name: 'kernel-core', version, release: '1.el9', epoch: 0, arch: 'x86_64' },
  }));
  const rocky = { platform: 'rocky', version: '9.4', kernel: '5.14.0-1.el9.x86_64' };
  expect(rpmPackages(kernels, rocky)).toEqual([
    { ecosystem: 'Rocky Linux:9', name: 'kernel-core', version: '0:5.14.0-1.el9' },
  ]);
});

test.each([
  ['debian', '12', 'Debian:12'],
  ['ubuntu', '22.04', 'Ubuntu:22.04:LTS'],
  ['ubuntu', '23.10', 'Ubuntu:23.10'],
  ['almalinux', '9.3', 'AlmaLinux:9'],
  ['arch', '', undefined],
  ['debian', 'sid', undefined],
])('the ecosystem of %s %s', (platform, version, expected) => {
  expect(ecosystemOf({ platform, version })).toBe(expected);
});

test('a statement suppresses until its end, with its reason', () => {
  const index = new VulnerabilityIndex();
  index.add(record('DSA-1', FIXED, { aliases: ['CVE-2026-1'] }));
  const installed = { ecosystem: 'Debian:12', name: 'docker.io', version: '1' };
  const statement = vexStatementSchema.parse({
    vulnerability: 'CVE-2026-1',
    package: { name: 'docker.io' },
    status: 'not_affected',
    reason: 'the daemon is not started',
    until: '2026-12-31T00:00:00Z',
  });
  const verdict = matchPackage(index, installed);
  const at = (time: string) => applyStatements(verdict, installed, new StatementIndex(Date.parse(time), [statement]));
  expect(at('2026-12-30T00:00:00Z')).toMatchObject({
    answer: 'not_vulnerable',
    matches: [],
    suppressed: [{ statement }],
  });
  expect(at('2027-01-01T00:00:00Z')).toMatchObject({ answer: 'vulnerable', suppressed: [] });
  const other = applyStatements(verdict, { ...installed, name: 'x' }, new StatementIndex(0, [statement]));
  expect(other.answer).toBe('vulnerable');
  expect(vexStatementSchema.safeParse({ ...statement, until: undefined }).success).toBe(false);
});

test('what a feed does not cover stays not known, also where all that it knows is suppressed', () => {
  const index = new VulnerabilityIndex();
  const mixed = record('A', FIXED);
  const other = { package: { ecosystem: 'Debian:11', name: 'docker.io' }, versions: ['1'] };
  index.add({ ...mixed, affected: [...(mixed.affected ?? []), other] });
  const installed = { ecosystem: 'Debian:11', name: 'docker.io', version: '1' };
  const verdict = matchPackage(index, installed);
  expect(verdict.answer).toBe('vulnerable');
  expect(matchPackage(index, { ...installed, version: '2' })).toMatchObject({ answer: 'not_known' });
  const statement = vexStatementSchema.parse({
    ...{ vulnerability: 'A', package: { name: 'docker.io' }, status: 'fixed', reason: 'x' },
    until: '2026-12-31T00:00:00Z',
  });
  const stated = applyStatements(verdict, installed, new StatementIndex(0, [statement]));
  expect(stated).toMatchObject({ answer: 'not_known', suppressed: [{ statement }] });
});

test('a hundred thousand statements of one package are no more work than one', () => {
  const statements = new StatementIndex(0);
  for (let i = 0; i < 100_000; i += 1)
    statements.add({
      ...{ vulnerability: `CVE-2026-${i}`, package: { name: 'docker.io' }, status: 'fixed', reason: 'x' },
      until: '2026-12-31T00:00:00Z',
    });
  const installed = { ecosystem: 'Debian:12', name: 'docker.io', version: '1' };
  // Processor time: the machine may be busy.
  const before = process.cpuUsage();
  let found = 0;
  for (let i = 0; i < 100_000; i += 1) if (statements.find(`CVE-2026-${i}`, installed) !== undefined) found += 1;
  expect(found).toBe(100_000);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(10_000);
});

test('packages whose name or version has a line break are not taken for each other', () => {
  const packages = [
    { name: 'curl\n1', version: '2' },
    { name: 'curl', version: '1\n2' },
  ];
  const rows = packages.map((one) => ({ ...one, source: '' }));
  expect(debianPackages(rows, DEBIAN)).toMatchObject(packages);
});

test('what is not of the distribution is not known where its feed does not speak of it', () => {
  const index = new VulnerabilityIndex();
  index.add(record('A', [{ introduced: '0' }, { fixed: '2' }]));
  const answerFor = (name: string, version: string, origin?: 'other' | 'unclear') =>
    matchPackage(index, { ecosystem: 'Debian:12', name, version, ...(origin === undefined ? {} : { origin }) }).answer;
  // A package of the distribution that no record names was never vulnerable.
  expect(answerFor('bash', '1')).toBe('not_vulnerable');
  expect(answerFor('docker-ce', '1', 'unclear')).toBe('not_known');
  expect(answerFor('docker.io', '2', 'unclear')).toBe('not_vulnerable');
  expect(answerFor('docker.io', '2', 'other')).toBe('not_known');
  expect(answerFor('docker.io', '1', 'other')).toBe('vulnerable');
});
