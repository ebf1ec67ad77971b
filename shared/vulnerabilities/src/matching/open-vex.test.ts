import { describe, expect, test } from '@jest/globals';
import { readOpenVex } from './open-vex.js';

const UNTIL = '2026-12-31T00:00:00Z';
const OPENSSL = 'pkg:deb/debian/openssl?distro=debian-12';

const one = (product: unknown, status = 'not_affected', more: object = {}) => ({
  ...{ vulnerability: { name: 'CVE-2026-1' }, products: [product], status, ...more },
});
const read = (...statements: object[]) =>
  readOpenVex({ '@context': 'https://openvex.dev/ns/v0.2.0', statements }, { until: UNTIL, reason: 'it is not used' });
const named = (...statements: object[]) => read(...statements).statements.map(({ package: its }) => its);

describe('packages', () => {
  test.each([
    [OPENSSL, { ecosystem: 'Debian:12', name: 'openssl' }],
    ['pkg:deb/ubuntu/curl@8.5?distro=ubuntu-24.04', { ecosystem: 'Ubuntu:24.04:LTS', name: 'curl', version: '8.5' }],
    ['pkg:rpm/rocky/curl?distro=rocky-9', { ecosystem: 'Rocky Linux:9', name: 'curl' }],
    ['pkg:npm/%40a/b@1.0.0', { ecosystem: 'npm', name: '@a/b', version: '1.0.0' }],
    ['pkg:pypi/requests', { ecosystem: 'PyPI', name: 'requests' }],
  ])('%s', (url, expected) => {
    expect(named(one({ '@id': url }))).toEqual([expected]);
    expect(named(one(url))).toEqual([expected]);
  });

  test.each([
    ['a package of another type with the same name', 'pkg:cargo/openssl', /no ecosystem/],
    ['a package of any release', 'pkg:deb/debian/openssl', /no ecosystem/],
    ['one of another system', 'pkg:rpm/redhat/openssl?distro=rhel-9', /no ecosystem/],
    ['what is no package URL', 'https://example.org/app', /no package URL/],
    ['a part of an image', { '@id': 'pkg:oci/app', subcomponents: [{ '@id': OPENSSL }] }, /other systems have it too/],
  ])('%s suppresses nothing, and it is told', (_, product, fault) => {
    const { statements, faults } = read(one(product));
    expect(statements).toEqual([]);
    expect(faults).toEqual([expect.stringMatching(fault)]);
  });
});

describe('several statements of one vulnerability and package', () => {
  test('the last one counts: affected ends what was suppressed', () => {
    expect(named(one(OPENSSL), one({ '@id': OPENSSL }, 'affected'))).toEqual([]);
    expect(named(one(OPENSSL), one(OPENSSL, 'under_investigation'))).toEqual([]);
    expect(named(one(OPENSSL, 'affected'), one(OPENSSL, 'fixed'))).toHaveLength(1);
    expect(named(one(OPENSSL), one('pkg:npm/a', 'affected'))).toHaveLength(1);
  });

  test('by their time, where they have one', () => {
    const newer = one(OPENSSL, 'affected', { timestamp: '2026-11-02T00:00:00Z' });
    const older = one(OPENSSL, 'not_affected', { timestamp: '2026-11-01T00:00:00Z' });
    expect(named(newer, older)).toEqual([]);
  });
});
