import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { parseGroup, parsePasswd } from './accounts.js';
import { parseCertificates } from './certificate.js';

/** Our readers beside the programs whose files they read, on generated input. */
const folder = mkdtempSync(join(tmpdir(), 'muster-owners-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Mounting over a file of /etc, in a namespace of its own, takes root. */
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;
const random = numbers(20_261_129);

function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((state / 0x8000_0000) * below);
  };
}

const pick = (...from: string[]): string => from[random(from.length)] ?? '';

/** What the program says while `text` is the file. */
function under(file: string, text: string, script: string): string {
  const path = join(folder, file);
  writeFileSync(path, text);
  const mount = `mount --bind "$0" /etc/${file} && ${script}`;
  return execFileSync('/usr/bin/unshare', ['-m', '/bin/sh', '-c', mount, path], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

const id = (): string =>
  pick(
    '0',
    '17',
    ' 17',
    '+17',
    '-1',
    '-0',
    '-18446744073709551600',
    '- 1',
    '4294967295',
    '4294967296',
    '99999999999999999999',
    '0x10',
    '',
    '1 ',
    '\t\v 8',
    'x',
  );

asRoot('accounts are the same as their owner says', () => {
  it('passwd: getent', () => {
    const lines = Array.from({ length: 600 }, (_, i) => {
      const fields = [
        `${pick('', ' ', '\t ', '#', '+', '-')}u${i}`,
        pick('x', ''),
        id(),
        id(),
        pick('', 'a,b'),
        '/h',
        '/s',
      ];
      return fields.slice(0, 3 + random(5)).join(':');
    });
    const text = `${lines.join('\n')}\n\n:x:5:5:::\nlast:x:1:1::/:/bin/sh`;
    const ours = parsePasswd(text).map((one) =>
      [one.username, one.uid, one.gid, one.description, one.directory, one.shell].join(':'),
    );
    const theirs = under('passwd', text, 'getent -s files passwd')
      .split('\n')
      .filter((line) => line !== '' && !/^[+-]/.test(line))
      .map((line) => line.split(':'));
    expect(theirs.length).toBeGreaterThan(50);
    expect(ours).toEqual(theirs.map((fields) => fields.filter((_, i) => i !== 1).join(':')));
  });

  it('group: getent', () => {
    const member = (): string => `${pick('', ' ', '\t')}m${random(5)}${pick('', '', ' ')}`;
    const lines = Array.from({ length: 400 }, (_, i) => {
      const members = Array.from({ length: random(4) }, member).join(pick(',', ',,', ', '));
      return [`${pick('', ' ', '#')}g${i}`, 'x', id(), members].slice(0, 3 + random(2)).join(':');
    });
    const text = `${lines.join('\n')}\n`;
    const ours = parseGroup(text).map((one) => [one.groupname, one.gid, one.members.join(',')].join(':'));
    const theirs = under('group', text, 'getent -s files group').split('\n').filter(Boolean);
    expect(theirs.length).toBeGreaterThan(50);
    expect(ours).toEqual(theirs.map((line) => line.replace(/^([^:]*):[^:]*:/, '$1:')));
  });

  it('memberships: id', () => {
    const names = ['ann', 'bob', 'eve'];
    const users = `root:x:0:0::/:/bin/sh\n${names.map((name, i) => `${name}:x:${1_000 + i}:${2_000 + i}::/:/bin/sh`).join('\n')}\n`;
    const lists = Array.from(
      { length: 60 },
      (_, i) => `g${i}:x:${3_000 + i}:${[pick(...names), pick(...names, 'ann ', ' eve')].join(pick(',', ' ,', ', '))}`,
    );
    const text = `${lists.join('\n')}\n`;
    writeFileSync(join(folder, 'users'), users);
    const script = `mount --bind ${join(folder, 'users')} /etc/passwd && for n in ${names.join(' ')}; do id -G $n; done`;
    const theirs = under('group', text, script).trim().split('\n');
    const groups = parseGroup(text);
    const ours = parsePasswd(users)
      .slice(1)
      .map(({ username, gid }) => [
        gid,
        ...groups.filter((one) => one.members.includes(username)).map((one) => one.gid),
      ]);
    const sorted = (ids: readonly number[]): number[] => [...new Set(ids)].sort((a, b) => a - b);
    expect(ours.map(sorted)).toEqual(theirs.map((line) => sorted(line.split(' ').map(Number))));
  });
});

describe('certificates are the same as their owner says', () => {
  it('names: openssl', () => {
    const values = [
      'Example, Inc.',
      '"q" <x>; #1',
      ' lead',
      'a+b=c',
      'back\\\\slash',
      'Zürich ☃',
      'trail ',
      'Some/Thing',
    ];
    const written = (value: string): string => value.replaceAll(/([/+])/g, '\\$1');
    for (let i = 0; i < 6; i += 1) {
      const part = (type: string): string => `${type}=${written(pick(...values))}`;
      const subject = `/${part('O')}/${part('CN')}+${part('OU')}/${part('L')}/emailAddress=a@b.test`;
      const path = join(folder, `${i}.pem`);
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', '/dev/null'];
      const args = ['req', '-x509', '-utf8', ...key, '-out', path, '-days', '2', '-subj', subject];
      execFileSync('/usr/bin/openssl', args, { stdio: ['ignore', 'ignore', 'ignore'] });
      const name = (format: string): string =>
        execFileSync('/usr/bin/openssl', ['x509', '-in', path, '-noout', '-subject', '-nameopt', format], {
          encoding: 'utf8',
        });
      const row = parseCertificates(readFileSync(path, 'utf8'))[0];
      expect(row?.subject).toBe(
        name('compat')
          .trimEnd()
          .replace(/^subject=\s?/, ''),
      );
      const common = /^\s*(?:OU=.* \+ )?CN=(.*?)(?: \+ OU=.*)?$/m.exec(name('sname,sep_multiline,utf8'));
      expect(common).not.toBeNull();
      expect(row?.common_name).toBe(common?.[1]);
    }
  });
});
