import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareDebianVersions } from './debian-version.js';
import { compareRpmParts, compareRpmVersions } from './rpm-version.js';
import { versionOrder } from './version-order.js';

const RUNS = 1_000;
/** Another one at every run; expectations have it, so that a failure tells with which one it comes again. */
const SEED = Number(process.env['MUSTER_TEST_SEED'] ?? Date.now() % 2 ** 31);
/** Two processes for each. */
const DPKG_RUNS = 500;
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
/** Pairs are near each other, because equal beginnings are where orders differ. */
const pairs = (part: fc.Arbitrary<string>): [string, string][] => {
  const near = fc.tuple(part, part, part).map(([head, one, other]): [string, string] => [head + one, head + other]);
  return fc.sample(fc.oneof(near, fc.tuple(part, part)), { numRuns: RUNS, seed: SEED });
};
const text = (alphabet: string, maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...alphabet.split('')), { maxLength }).map((letters) => letters.join(''));

(has('dpkg') ? describe : describe.skip)('with dpkg', () => {
  test('Debian: the order is that of dpkg --compare-versions', () => {
    const version = fc
      .tuple(
        fc.constantFrom('', '', '0:', '1:', '12:'),
        text('0019aZ.+~-:', 6),
        fc.constantFrom('', '-1', '-0', '-1~b', '-2+a'),
      )
      .map(([epoch, rest, revision]) => `${epoch}1${rest}${revision}`);
    const all: [string, string][] = pairs(version)
      .map(([one, other]): [string, string] => [one.slice(0, 60), other.slice(0, 60)])
      .filter(([one, other]) => compareDebianVersions(one, one) === 0 && compareDebianVersions(other, other) === 0)
      .slice(0, DPKG_RUNS);
    expect(all.length > DPKG_RUNS / 2 ? SEED : `only ${all.length} pairs with seed ${SEED}`).toBe(SEED);
    const { stdout } = spawnSync(
      'sh',
      [
        '-c',
        'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo -1; elif dpkg --compare-versions "$a" gt "$b"; then echo 1; else echo 0; fi; done',
      ],
      { input: all.map((pair) => `${pair.join(' ')}\n`).join(''), encoding: 'utf8', maxBuffer: 1 << 26 },
    );
    const theirs = stdout.trim().split('\n').map(Number);
    const ours = all.map(([one, other]) => Math.sign(compareDebianVersions(one, other) ?? Number.NaN));
    expect({ seed: SEED, wrong: all.filter((_, i) => ours[i] !== theirs[i]) }).toEqual({ seed: SEED, wrong: [] });
  });
});

(has('rpm') ? describe : describe.skip)('with rpm', () => {
  test('RPM: the order is that of rpm.vercmp', () => {
    const all = pairs(text('0019aZ.+~^_', 6).map((rest) => `1${rest}`));
    const theirs: number[] = [];
    for (let i = 0; i < all.length; i += 250) {
      const calls = all.slice(i, i + 250).map(([one, other]) => `print(rpm.vercmp("${one}","${other}")) print(" ")`);
      const { stdout } = spawnSync('rpm', ['--eval', `%{lua: ${calls.join(' ')} }`], { encoding: 'utf8' });
      theirs.push(...stdout.trim().split(/\s+/).map(Number));
    }
    const ours = all.map(([one, other]) => Math.sign(compareRpmParts(one, other)));
    expect(theirs).toHaveLength(all.length);
    expect({ seed: SEED, wrong: all.filter((_, i) => ours[i] !== theirs[i]) }).toEqual({ seed: SEED, wrong: [] });
  });
});

test.each([
  ['1.0-1', '1.0-1~deb12u1', 1],
  ['1:0.1-1', '9.9-1', 1],
  ['1.0', '1.0-0', 0],
  ['20.10.24+dfsg1-1+deb12u1', '20.10.24+dfsg1-1+deb12u1+b6', -1],
  ['1.2-', '1.2', undefined],
  ['a.b', '1', undefined],
  ['1:', '1:1', undefined],
  [':1', '1', undefined],
  ['x:1', '1', undefined],
  ['1:1:2', '1:1:1', 1],
  ['', '1', undefined],
])('Debian: %s and %s', (one, other, expected) => {
  const difference = compareDebianVersions(one, other);
  expect(difference === undefined ? undefined : Math.sign(difference)).toBe(expected);
});

test.each([
  ['0:1.0-1.el9', '1.0-1.el9', 0],
  ['1:1.0-1.el9', '2.0-1.el9', 1],
  ['1.0', '1.0-5.el9', 0],
  ['1.0~rc1-1', '1.0-1', -1],
  ['1.0^git1-1', '1.0-1', 1],
  ['1.0-1-1', '1.0', undefined],
])('RPM: %s and %s', (one, other, expected) => {
  const difference = compareRpmVersions(one, other);
  expect(difference === undefined ? undefined : Math.sign(difference)).toBe(expected);
});

test.each([
  ['npm', '1.0.0-rc.1', '1.0.0', -1],
  ['npm', 'latest', '1.0.0', undefined],
  ['PyPI', '1.0.post1', '1.0', 1],
  ['PyPI', '1!0.1', '9', 1],
  ['PyPI', 'x', '1', undefined],
  ['Ubuntu:22.04:LTS', '1-1ubuntu1', '1-1', 1],
])('%s: %s and %s', (ecosystem, one, other, expected) => {
  const difference = versionOrder(ecosystem)?.(one, other);
  expect(difference === undefined ? undefined : Math.sign(difference)).toBe(expected);
});

test('an ecosystem without an order has none', () => {
  expect(versionOrder('Alpine:v3.20')).toBeUndefined();
  expect(versionOrder('constructor')).toBeUndefined();
});
