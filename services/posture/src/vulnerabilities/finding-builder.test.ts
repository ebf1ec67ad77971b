import { expect, test } from '@jest/globals';
import type { AffectedPackage } from '@muster/records';
import { FindingBuilder } from './finding-builder.js';

const match = (id: string) => ({ advisory: { id, aliases: ['CVE-2026-1'], ranges: [], versions: [] } });
const affected = (id: string, fixed?: string): AffectedPackage => ({
  ...{ ecosystem: 'Debian:12', name: 'curl', version: '1', advisories: [id] },
  ...{ endpointsAtLeast: 1, endpointsAtMost: 1, sample: [], ...(fixed === undefined ? {} : { fixed }) },
});

test.each([
  [['2', '3'], '3'],
  [['2', undefined], undefined],
  [[undefined, '2'], undefined],
  [[undefined, '2', '3'], undefined],
])('a package is fixable where every record has a fix: %j', (versions, expected) => {
  const findings = new FindingBuilder();
  for (const [i, fixed] of versions.entries()) findings.add(match(`D${i}`), affected(`D${i}`, fixed));
  expect(findings.all()[0]?.affected[0]?.fixed).toBe(expected);
});

test('a hundred thousand records of one vulnerability are no more work each than one', () => {
  const findings = new FindingBuilder();
  const before = process.cpuUsage();
  for (let i = 0; i < 100_000; i += 1) findings.add(match(`D${i}`), affected(`D${i}`, '2'));
  expect(process.cpuUsage(before).user / 1_000).toBeLessThan(10_000);
  expect(findings.all()[0]?.affected[0]?.advisories).toHaveLength(100);
});

test('packages whose name or version has a line break are not taken for each other', () => {
  const findings = new FindingBuilder();
  const packages = [
    { name: 'curl\n1', version: '2' },
    { name: 'curl', version: '1\n2' },
  ];
  for (const one of packages) findings.add(match('D'), { ...affected('D'), ...one });
  expect(findings.all()[0]?.affected).toMatchObject(packages);
});
