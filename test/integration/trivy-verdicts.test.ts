import { describe, expect, test } from '@jest/globals';
import {
  debianPackages,
  matchPackage,
  type OsvRecord,
  VulnerabilityIndex,
  type InstalledPackage,
} from '@muster/vulnerabilities';
import type { BoltTree } from '../kit/trivy/bolt-file.js';
import { trivyAtHand } from '../kit/trivy/scan.js';
import { trivyVerdicts } from '../kit/trivy/verdicts.js';

const trivy = await trivyAtHand();
if (trivy === undefined)
  process.stderr.write('trivy is not installed: its verdicts are NOT compared (`npm run test:trivy` fetches it)\n');
const withTrivy = trivy === undefined ? describe.skip : describe;

/** The same numbers each time (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const pick = <T>(next: (below: number) => number, items: readonly T[]): T => items[next(items.length)] as T;

/** What OSV says of a package up to a version; without one no version is mended. */
function osv(id: string, ecosystem: string, name: string, fixed: string | undefined): OsvRecord {
  const events = [{ introduced: '0' }, ...(fixed === undefined ? [] : [{ fixed }])];
  const affected = [{ package: { ecosystem, name }, ranges: [{ type: 'ECOSYSTEM' as const, events }] }];
  return { id, modified: '2026-11-01T00:00:00Z', affected };
}

interface Case {
  readonly id: string;
  readonly name: string;
  readonly fixed: string | undefined;
}

/** Buckets by package, with what trivy keeps of each advisory. */
function bucketOf(cases: readonly Case[], advisory: (fixed: string | undefined) => object): BoltTree {
  const bucket: Record<string, Record<string, string>> = {};
  for (const { id, name, fixed } of cases) (bucket[name] ??= {})[id] = JSON.stringify(advisory(fixed));
  return bucket;
}

const detailsOf = (cases: readonly Case[]): BoltTree =>
  Object.fromEntries(cases.map(({ id }) => [id, JSON.stringify({ Title: id, Severity: 'HIGH' })]));

/** `id name` of what Muster takes for vulnerable; everything else it must know not to be. */
function musterVerdicts(packages: readonly InstalledPackage[], ecosystem: string, cases: readonly Case[]): Set<string> {
  const index = new VulnerabilityIndex();
  for (const { id, name, fixed } of cases) index.add(osv(id, ecosystem, name, fixed));
  return new Set(
    packages.flatMap((one) => {
      const { answer, matches } = matchPackage(index, one);
      expect([one.name, one.version, answer]).toEqual([
        one.name,
        one.version,
        matches.length > 0 ? 'vulnerable' : 'not_vulnerable',
      ]);
      return matches.map(({ advisory }) => `${advisory.id} ${one.name}`);
    }),
  );
}

withTrivy('Muster and trivy say the same of', () => {
  test('packages of Debian, by their source: epochs, tildes, rebuilds, what no version mends', async () => {
    const next = random(20_261_201);
    const version = (): string => {
      const epoch = pick(next, ['', '', '', '1:', '2:']);
      const upstream = `${next(3)}.${next(4)}${pick(next, ['', '', '.1', '.10', '~rc1', '~~a', '+dfsg', '+dfsg1', 'a', 'z.2'])}`;
      return `${epoch}${upstream}${pick(next, ['', '-0', '-1', '-1~deb12u1', '-1+deb12u1', '-1+deb12u10', '-2ubuntu1'])}`;
    };
    const installed = Array.from({ length: 400 }, (_, n) => {
      const source = version();
      // A binary package that was built again has a version of its own.
      const own = pick(next, [source, source, `${source}+b1`, version()]);
      return { name: `lib${n}`, version: own, sourceName: `source${n}`, sourceVersion: source };
    });
    const cases: Case[] = installed.flatMap(({ sourceName, sourceVersion }, n) =>
      Array.from({ length: 4 }, (_, i) => ({
        ...{ id: `CVE-2026-${10_000 + n * 4 + i}`, name: sourceName },
        fixed: pick(next, [undefined, version(), version(), version(), sourceVersion, `${sourceVersion}+deb12u1`]),
      })),
    );
    const status = installed.map(
      ({ name, version: own, sourceName, sourceVersion }) =>
        `Package: ${name}\nStatus: install ok installed\nSource: ${sourceName} (${sourceVersion})\nVersion: ${own}\n` +
        'Architecture: amd64\nMaintainer: nobody <nobody@example.org>\nDescription: none\n',
    );
    const found = await trivyVerdicts(trivy ?? '', {
      files: {
        'etc/os-release': 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
        'etc/debian_version': '12.5\n',
        'var/lib/dpkg/status': status.join('\n'),
      },
      database: {
        'data-source': { 'debian 12': JSON.stringify({ ID: 'debian', Name: 'test', URL: 'https://example.org' }) },
        'debian 12': bucketOf(cases, (fixed) => ({ FixedVersion: fixed ?? '' })),
        vulnerability: detailsOf(cases),
      },
    });
    const rows = installed.map(({ name, version: own, sourceName, sourceVersion }) => ({
      ...{ name, version: own, source: sourceVersion === own ? sourceName : `${sourceName} (${sourceVersion})` },
    }));
    const packages = debianPackages(rows, { platform: 'debian', version: '12' });
    expect(packages).toHaveLength(installed.length);
    const ours = musterVerdicts(packages, 'Debian:12', cases);
    const theirs = new Set([...found].map((line) => line.replace(' lib', ' source')));
    // Neither says all or nothing, which would compare nothing.
    expect(theirs.size).toBeGreaterThan(cases.length / 4);
    expect(theirs.size).toBeLessThan((cases.length * 3) / 4);
    expect([...ours].toSorted()).toEqual([...theirs].toSorted());
  }, 300_000);

  test('packages of npm, but that OSV has pre-releases in sequence', async () => {
    const next = random(42);
    const version = (): string =>
      `${next(3)}.${next(3)}.${next(3)}${pick(next, ['', '', '', '-rc.1', '-rc.10', '-rc.2', '-alpha', '-0'])}`;
    const installed = Array.from({ length: 200 }, (_, n) => ({ name: `package-${n}`, version: version() }));
    const cases: Case[] = installed.flatMap(({ name, version: own }, n) =>
      Array.from({ length: 3 }, (_, i) => ({
        ...{ id: `CVE-2026-${20_000 + n * 3 + i}`, name },
        fixed: pick(next, [version(), version(), own]),
      })),
    );
    const files = Object.fromEntries(
      installed.map(({ name, version: own }) => [
        `srv/app/node_modules/${name}/package.json`,
        JSON.stringify({ name, version: own, license: 'MIT' }),
      ]),
    );
    const name = 'npm::GitHub Security Advisory npm';
    const found = await trivyVerdicts(trivy ?? '', {
      files,
      database: {
        'data-source': { [name]: JSON.stringify({ ID: 'ghsa', Name: 'test', URL: 'https://example.org' }) },
        [name]: bucketOf(cases, (fixed) => ({ VulnerableVersions: [`<${fixed}`], PatchedVersions: [`>=${fixed}`] })),
        vulnerability: detailsOf(cases),
      },
    });
    const packages = installed.map((one) => ({ ecosystem: 'npm', ...one }));
    const ours = musterVerdicts(packages, 'npm', cases);
    // Ranges of npm leave pre-releases out unless they name one of the same version (node-semver), and trivy reads advisories so. OSV puts
    // versions in sequence (SemVer 2.0 §11): 1.0.0-rc.1 comes before 1.0.0, and has what that mends.
    const isPreRelease = new Map(installed.map(({ name: one, version: own }) => [one, own.includes('-')]));
    const ofReleases = (verdicts: ReadonlySet<string>): string[] =>
      [...verdicts].filter((line) => isPreRelease.get(line.split(' ')[1] ?? '') === false).toSorted();
    expect(ofReleases(ours)).toEqual(ofReleases(found));
    expect(ofReleases(found).length).toBeGreaterThan(cases.length / 20);
    expect([...found].filter((line) => !ours.has(line))).toEqual([]);
  }, 300_000);
});
