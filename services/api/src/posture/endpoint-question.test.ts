import { expect, test } from '@jest/globals';
import type { AffectedPackage } from '@muster/records';
import { endpointQuestion } from './endpoint-question.js';

const affected = (ecosystem: string, name = 'curl', more: Partial<AffectedPackage> = {}): AffectedPackage => ({
  ...{ ecosystem, name, version: '1', advisories: ['A'], endpointsAtLeast: 1, endpointsAtMost: 1, sample: [] },
  ...more,
});

test.each([
  ['a system whose packages no column names', [affected('Debian:12'), affected('Rocky Linux:9')]],
  ['a kernel of Debian', [affected('Debian:12', 'linux')]],
  ['a kernel of Ubuntu', [affected('Ubuntu:22.04:LTS', 'linux-hwe-6.5')]],
  ['a kernel of AlmaLinux', [affected('AlmaLinux:9', 'kernel-core')]],
  ['more packages than it may name', Array.from({ length: 501 }, (_, i) => affected('npm', `p${i}`))],
  ['a name that was cut', [affected('npm', 'x'.repeat(512))]],
  ['a name that SQL cannot hold', [affected('npm', 'a\0b')]],
])('there is no question where it would not name every endpoint: %s', (_, packages) => {
  expect(endpointQuestion(packages, false)).toBeUndefined();
});

test('there is none where not every package is told, and none of suppressed ones', () => {
  expect(endpointQuestion([affected('npm')], true)).toBeUndefined();
  const suppressed = { status: 'fixed', reason: 'x', until: '2026-12-31T00:00:00Z' };
  expect(endpointQuestion([affected('npm'), affected('Rocky Linux:9', 'x', { suppressed })], false)).toContain(
    "'curl'",
  );
});

test('it asks by the rules of the scan', () => {
  const sql = endpointQuestion([affected('Debian:12'), affected('PyPI', "o'neil")], false);
  expect(sql).toContain("status LIKE '% installed'");
  expect(sql).toContain("path NOT LIKE '/usr/lib/python3%'");
  expect(sql).toContain("('o''neil', '1')");
});
