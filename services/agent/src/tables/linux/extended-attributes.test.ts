import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, lchownSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { textOfBytes } from '@muster/protocol';
import { LinuxTables } from '../table-fixture.js';
import { fileCapabilities } from './parse/capabilities.js';
import { parseGetfattr } from './parse/getfattr.js';

describe('extended attributes', () => {
  it('names cannot look like lines of getfattr', () => {
    const output =
      '# file: /srv/a\\012# file: /etc/shadow\nuser.x=0x6100\nuser.empty\n\n# file: /srv/\\377\nuser.y=0x\n';
    expect(Array.from(parseGetfattr(output)).map(({ path, key, value }) => [path, key, value.toString('hex')])).toEqual(
      [
        ['/srv/a\n# file: /etc/shadow', 'user.x', '6100'],
        ['/srv/a\n# file: /etc/shadow', 'user.empty', ''],
        [`/srv/${String.fromCharCode(0xef00 + 0xff)}`, 'user.y', ''],
      ],
    );
  });

  it('capabilities that are none are not made up', () => {
    expect(fileCapabilities(Buffer.from('0100000200', 'hex'))).toBeUndefined();
    expect(fileCapabilities(Buffer.from(`01000002${'00'.repeat(16)}`, 'hex'))).toBe('=');
  });
});

const canSet =
  process.getuid?.() === 0 && spawnSync('sh', ['-c', 'command -v getfattr && command -v setcap']).status === 0;
const whereSet = canSet ? describe : describe.skip;

whereSet('extended attributes of this machine', () => {
  it('are those that were set, of all files but the one that is gone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-attributes-'));
    const tables = await LinuxTables.open();
    try {
      for (const name of ['a b', 'line\nbreak', 'cap']) writeFileSync(join(folder, name), '');
      execFileSync('setfattr', ['-n', 'user.text', '-v', '0x617a00', join(folder, 'a b')]);
      execFileSync('setfattr', ['-n', 'user.bytes', '-v', '0x00ff', join(folder, 'line\nbreak')]);
      execFileSync('setcap', ['cap_net_raw,cap_chown+ep cap_kill+eip', join(folder, 'cap')]);
      execFileSync('ln', ['-s', 'nowhere', join(folder, 'broken')]);
      const { rows, result } = tables.query(
        `SELECT path, key, value, base64 FROM extended_attributes WHERE directory = '${folder}' AND key NOT LIKE 'security.s%' ORDER BY path`,
      );
      expect(result).toMatchObject({ ok: true, warnings: [] });
      const getcap = execFileSync('getcap', [join(folder, 'cap')], { encoding: 'utf8' }).trim();
      expect(rows).toEqual([
        { path: join(folder, 'a b'), key: 'user.text', value: 'az', base64: 0 },
        {
          path: join(folder, 'cap'),
          key: 'security.capability',
          value: getcap.slice(getcap.indexOf(' ') + 1),
          base64: 0,
        },
        { path: join(folder, 'line\nbreak'), key: 'user.bytes', value: 'AP8=', base64: 1 },
      ]);
    } finally {
      tables.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('are not told of a file of root by the link of a user', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-attributes-'));
    const tables = await LinuxTables.open();
    try {
      writeFileSync(join(folder, 'secret'), '', { mode: 0o600 });
      execFileSync('setfattr', ['-n', 'user.text', '-v', 'secret', join(folder, 'secret')]);
      symlinkSync('secret', join(folder, 'link'));
      lchownSync(join(folder, 'link'), 4711, 4711);
      const { rows, result } = tables.query(
        `SELECT path FROM extended_attributes WHERE directory = '${folder}' AND key = 'user.text'`,
      );
      expect(rows).toEqual([{ path: join(folder, 'secret') }]);
      expect(result).toMatchObject({ ok: true, warnings: [{ code: 'unreadable', count: 1 }] });
    } finally {
      tables.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('are those of what was found, also when its name leads elsewhere by then', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-attributes-'));
    const [path, secret] = [join(folder, 'file'), join(folder, 'secret')];
    const swap = (touched: string): void => {
      if (touched !== '' || existsSync(`${path}.before`)) return;
      renameSync(path, `${path}.before`);
      symlinkSync('secret', path);
      lchownSync(path, 4711, 4711);
    };
    const tables = await LinuxTables.open('/', { touch: swap });
    try {
      for (const [name, value] of Object.entries({ [path]: 'own', [secret]: 'secret' })) {
        writeFileSync(name, '', { mode: 0o600 });
        execFileSync('setfattr', ['-n', 'user.text', '-v', value, name]);
      }
      const { rows } = tables.query(
        `SELECT base64 || value AS value FROM extended_attributes WHERE path = '${path}' AND key = 'user.text'`,
      );
      expect(rows).toEqual([{ value: `1${Buffer.from('own').toString('base64')}` }]);
      expect(existsSync(`${path}.before`)).toBe(true);
    } finally {
      tables.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('are told of names that are not UTF-8', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-attributes-'));
    const tables = await LinuxTables.open();
    try {
      const path = Buffer.concat([Buffer.from(join(folder, 'a')), Buffer.from([0xff])]);
      writeFileSync(path, '');
      execFileSync('sh', ['-c', `setfattr -n user.text -v 0x6200 '${folder}'/a*`]);
      const { rows, result } = tables.query(
        `SELECT path, value FROM extended_attributes WHERE directory = '${folder}' AND key = 'user.text'`,
      );
      expect(rows).toEqual([{ path: textOfBytes(path), value: 'b' }]);
      expect(result).toMatchObject({ ok: true, warnings: [] });
    } finally {
      tables.close();
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    'cap_net_raw=ep',
    'cap_kill=i',
    'cap_chown=ep cap_kill=eip cap_net_raw=ei',
    'all=ep',
    'all=ep cap_sys_admin-ep',
    'all=eip cap_sys_admin-i cap_kill-p',
    '=',
  ])('capabilities %p are as getcap writes them', (capabilities) => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-attributes-'));
    try {
      const file = join(folder, 'cap');
      writeFileSync(file, '');
      execFileSync('setcap', [capabilities, file]);
      const getcap = execFileSync('getcap', [file], { encoding: 'utf8' }).trim();
      const getfattr = ['-n', 'security.capability', '-e', 'hex', '--only-values', '--absolute-names', file];
      expect(fileCapabilities(execFileSync('getfattr', getfattr))).toBe(getcap.slice(file.length + 1));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
