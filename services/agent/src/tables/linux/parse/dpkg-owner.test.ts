import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseDpkgStatus } from './dpkg.js';

/** Our reader of dpkg's status beside dpkg-query, on generated files. */
const folder = mkdtempSync(join(tmpdir(), 'muster-dpkg-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const withDpkg = existsSync('/usr/bin/dpkg-query') ? describe : describe.skip;

const FIELDS = [
  'Package',
  'Version',
  'Source',
  'Installed-Size',
  'Architecture',
  'Status',
  'Maintainer',
  'Section',
  'Priority',
];
const FORMAT = FIELDS.map((field) => `\${${field}}`).join('\u001f');

/** Fields of one package; `undefined` is left out. */
const paragraph = fc
  .record({
    Version: fc.constantFrom('1', '1:2.0-1', '0~rc1-0.1', '2024a', '1.0+dfsg1-1+deb12u1', '3.0-1-2'),
    Status: fc.constantFrom(
      'install ok installed',
      'hold ok installed',
      'deinstall ok config-files',
      'install ok half-configured',
    ),
    Architecture: fc.constantFrom('all', 'amd64', 'i386'),
    Source: fc.constantFrom(undefined, 'src', 'src (1:2.0-1)'),
    'Installed-Size': fc.constantFrom(undefined, '0', '123456'),
    Maintainer: fc.constantFrom('A <a@example.net>', 'Ünï Çödé', 'a, b: c', 'x'),
    Section: fc.constantFrom(undefined, 'libs', 'contrib/net'),
    Priority: fc.constantFrom(undefined, 'optional', 'required', 'extra'),
    Description: fc.constantFrom('short', 'short\n long\n .\n Package: no\n Version: 9'),
    Conffiles: fc.constantFrom(undefined, '\n /etc/a d41d8cd98f00b204e9800998ecf8427e'),
    'Multi-Arch': fc.constantFrom(undefined, 'foreign'),
  })
  .chain((fields) => {
    const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
    return fc.shuffledSubarray(entries, { minLength: entries.length });
  });

const file = fc.record({
  packages: fc.array(paragraph, { minLength: 1, maxLength: 12 }),
  gap: fc.constantFrom('\n', '\n\n', '\n\n\n'),
  after: fc.constantFrom(': ', ':', ':  ', ':\t'),
  rename: fc.constantFrom(
    (name: string) => name,
    (name: string) => name,
    (name: string) => name.toLowerCase(),
  ),
});

withDpkg('dpkg status', () => {
  it('dpkg-query', () => {
    mkdirSync(join(folder, 'updates'));
    mkdirSync(join(folder, 'info'));
    fc.assert(
      fc.property(file, ({ packages, gap, after, rename }) => {
        const text = packages
          .map((fields, index) =>
            [['Package', `pkg${index}`] as const, ...fields]
              .map(([name, value]) => `${rename(name)}${after}${value}\n`)
              .join(''),
          )
          .join(gap);
        writeFileSync(join(folder, 'status'), text);
        const args = [`--admindir=${folder}`, '-W', `-f=${FORMAT}\\n`];
        const output = execFileSync('/usr/bin/dpkg-query', args, {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        const ours = Array.from(parseDpkgStatus(text), (row) =>
          [
            row['name'],
            row['version'],
            row['source'],
            row['size'] ?? '',
            row['arch'],
            row['status'],
            row['maintainer'],
            row['section'],
            // `dpkg-query` writes nothing where its library says "unknown".
            row['priority'] === 'unknown' ? '' : row['priority'],
          ].join('\u001f'),
        );
        expect(ours.sort()).toEqual(
          output
            .split('\n')
            .filter((line) => line !== '')
            .sort(),
        );
      }),
      { numRuns: 60, seed: 20_261_130 },
    );
  });
});
