import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LinuxTables } from '../table-fixture.js';

const FILES: Readonly<Record<string, string>> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/bash\nann:x:1000:100:Ann:/home/ann:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n',
  'etc/group': 'root:x:0:\nusers:x:100:\nadm:x:4:ann\n',
  'home/ann/.ssh/authorized_keys': 'ssh-ed25519 AAAA ann\n',
  'etc/sudoers': 'Defaults env_reset\n@includedir /etc/sudoers.d\n@include /etc/sudoers\n@include rules.%h\n',
  'etc/hostname': 'box.example.net\n',
  'etc/rules.box': 'eve ALL=(ALL) ALL\n',
  'etc/sudoers.d/ann': 'ann ALL=(ALL) NOPASSWD: ALL\n',
  'etc/sudoers.d/ann.bak': 'bob ALL=(ALL) ALL\n',
  'etc/crontab': '1 2 3 4 5 root job\n',
  'var/spool/cron/crontabs/ann': '@daily backup\n',
  'etc/systemd/system/a.service': '[Unit]\nDescription=A\n[Service]\nUser=ann\n[Install]\nWantedBy=x\n',
  'lib/systemd/system/a.service': '[Unit]\nDescription=shadowed\n',
  'lib/systemd/system/b.timer': '[Unit]\nDescription=B\n[Install]\nWantedBy=x\n',
  'lib/systemd/system/c.service': '[Unit]\nDescription=C\n',
  'lib/systemd/system/README': 'not a unit',
  'etc/init.d/old': '#!/bin/sh\n',
  'home/ann/.config/autostart/x.desktop': '[Desktop Entry]\nName=X\nExec="/opt/my x" --y\nHidden=true\n',
  'var/lib/dpkg/status': 'Package: bash\nVersion: 5.2-1\nStatus: install ok installed\n\n',
  'other/status': 'Package: other\nVersion: 1\n',
  'etc/apt/sources.list': 'deb http://deb.test/debian stable main\n',
  'var/lib/apt/lists/deb.test_debian_dists_stable_InRelease':
    '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nSuite: stable\nVersion: 12.5\nArchitectures: amd64\n',
  'home/ann/.config/google-chrome/Default/Preferences': JSON.stringify({
    profile: { name: 'Ann' },
    extensions: { settings: { abc: { path: 'abc/2.0_0', state: 1, from_webstore: true } } },
  }),
  'home/ann/.config/google-chrome/Default/Extensions/abc/1.0_0/manifest.json': '{"name":"Old","version":"1.0"}',
  'home/ann/.config/google-chrome/Default/Extensions/abc/2.0_0/manifest.json':
    '{"name":"__MSG_n__","version":"2.0","default_locale":"en"}',
  'home/ann/.config/google-chrome/Default/Extensions/abc/2.0_0/_locales/en/messages.json': '{"n":{"message":"New"}}',
  'usr/lib/python3/dist-packages/six-1.16.dist-info/METADATA': 'Name: six\nVersion: 1.16\n\nlong text\n',
  'usr/lib/node_modules/@a/b/package.json': '{"name":"@a/b","version":"1"}',
  'usr/lib/node_modules/@a/b/node_modules/c/package.json': '{"name":"c","version":"2"}',
  'srv/1/deep/er/x.conf': 'x',
  'srv/2/X.CONF': 'x',
  'proc/1/stat': '1 (init) S 0 1 1 0 -1 4194560 1 1 1 1 10 20 0 0 20 0 1 0 5 1000 2 0',
  'proc/1/status': 'Name:\tinit\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmRSS:\t8 kB\n',
  'proc/1/cmdline': '/sbin/init\0',
  'proc/2/stat': '2 (gone',
  'proc/stat': 'cpu0 1 2 3 4 5 6 7 8 9 10\nbtime 1700000000\n',
  'proc/modules': 'nf_tables 311296 1 nft_ct, Live 0x0000000000000000\next4 1003520 1 - Live 0x0000000000000000\n',
  'proc/meminfo': 'MemTotal:       1024 kB\nMemFree:         512 kB\n',
  'proc/sys/kernel/osrelease': '6.1.0-18-amd64\n',
  'proc/cmdline': 'BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n',
  'etc/os-release':
    'NAME="Ubuntu"\nVERSION_ID="22.04"\nVERSION="22.04.4 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=jammy\n',
  'sys/block/sda/size': '2048\n',
  'sys/block/sda/dev': '8:0\n',
  'sys/block/sda/queue/logical_block_size': '4096\n',
  'sys/block/sda/sda1/partition': '1\n',
  'sys/block/sda/sda1/size': '1024\n',
  'sys/block/sda/sda1/dev': '8:1\n',
  'run/udev/data/b8:1': 'E:ID_FS_TYPE=ext4\nE:ID_FS_UUID=aa-bb\n',
  'run/systemd/sessions/4':
    'USER=ann\nCLASS=user\nTTY=pts/0\nREMOTE_HOST=10.0.0.9\nREALTIME=1700000100000000\nLEADER=77\n',
};

describe('tables of a copied file tree', () => {
  let root: string;
  let tables: LinuxTables;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'muster-tree-'));
    for (const [path, content] of Object.entries(FILES)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    mkdirSync(join(root, 'root/.ssh'), { recursive: true });
    // Other kinds of files may be where a regular file is expected.
    execFileSync('/usr/bin/mkfifo', [join(root, 'root/.ssh/authorized_keys')]);
    mkdirSync(join(root, 'etc/systemd/system/x.wants'), { recursive: true });
    symlinkSync('/lib/systemd/system/b.timer', join(root, 'etc/systemd/system/x.wants/b.timer'));
    symlinkSync('/dev/null', join(root, 'etc/systemd/system/m.service'));
    mkdirSync(join(root, 'etc/rc2.d'), { recursive: true });
    symlinkSync('../init.d/old', join(root, 'etc/rc2.d/S01old'));
    symlinkSync('..', join(root, 'srv/1/deep/up'));
    tables = await LinuxTables.open(root);
  });
  afterAll(() => {
    tables.close();
    rmSync(root, { recursive: true });
  });

  it.each<[string, Record<string, unknown>[]]>([
    ['SELECT uid, key_file FROM authorized_keys', [{ uid: 1000, key_file: '/home/ann/.ssh/authorized_keys' }]],
    [
      'SELECT source, header FROM sudoers',
      [
        { source: '/etc/sudoers', header: 'Defaults' },
        { source: '/etc/sudoers', header: '@includedir' },
        { source: '/etc/sudoers.d/ann', header: 'ann' },
        { source: '/etc/sudoers', header: '@include' },
        { source: '/etc/sudoers', header: '@include' },
        { source: '/etc/rules.box', header: 'eve' },
      ],
    ],
    [
      'SELECT path, event, command FROM crontab',
      [
        { path: '/etc/crontab', event: '', command: 'root job' },
        { path: '/var/spool/cron/crontabs/ann', event: '@daily', command: 'backup' },
      ],
    ],
    [
      'SELECT id, description, unit_file_state AS state, user FROM systemd_units ORDER BY id',
      [
        { id: 'a.service', description: 'A', state: 'disabled', user: 'ann' },
        { id: 'b.timer', description: 'B', state: 'enabled', user: '' },
        { id: 'c.service', description: 'C', state: 'static', user: '' },
        { id: 'm.service', description: '', state: 'masked', user: '' },
      ],
    ],
    [
      'SELECT name, path, args, status, username FROM startup_items',
      [
        { name: 'X', path: '/opt/my x', args: '--y', status: 'disabled', username: 'ann' },
        { name: 'old', path: '/etc/init.d/old', args: '', status: 'enabled', username: '' },
      ],
    ],
    ['SELECT name, version, revision FROM deb_packages', [{ name: 'bash', version: '5.2-1', revision: '1' }]],
    ["SELECT name, admindir FROM deb_packages WHERE admindir = '/other'", [{ name: 'other', admindir: '/other' }]],
    [
      'SELECT release, version, maintainer, architectures AS a FROM apt_sources',
      [{ release: 'stable', version: '12.5', maintainer: 'Debian', a: 'amd64' }],
    ],
    [
      'SELECT name, version, profile, state, uid FROM chrome_extensions',
      [{ name: 'New', version: '2.0', profile: 'Ann', state: '1', uid: 1000 }],
    ],
    ['SELECT uid FROM chrome_extensions WHERE uid = 0', []],
    ['SELECT name, directory FROM python_packages', [{ name: 'six', directory: '/usr/lib/python3/dist-packages/' }]],
    [
      'SELECT name, depth, path FROM npm_packages',
      [
        { name: '@a/b', depth: 0, path: '/usr/lib/node_modules/@a/b/package.json' },
        { name: 'c', depth: 1, path: '/usr/lib/node_modules/@a/b/node_modules/c/package.json' },
      ],
    ],
    [
      'SELECT pid, name, state, cmdline, start_time, user_time, resident_size FROM processes',
      [
        {
          pid: 1,
          name: 'init',
          state: 'S',
          cmdline: '/sbin/init',
          start_time: 1_700_000_000,
          user_time: 100,
          resident_size: 8192,
        },
      ],
    ],
    ['SELECT core, user, guest_nice FROM cpu_time', [{ core: 0, user: 1, guest_nice: 10 }]],
    [
      'SELECT name, used_by FROM kernel_modules',
      [
        { name: 'nf_tables', used_by: 'nft_ct' },
        { name: 'ext4', used_by: '-' },
      ],
    ],
    [
      'SELECT memory_total, memory_free, swap_free FROM memory_info',
      [{ memory_total: 1_048_576, memory_free: 524_288, swap_free: null }],
    ],
    [
      'SELECT * FROM kernel_info',
      [{ version: '6.1.0-18-amd64', arguments: 'ro quiet', path: '/vmlinuz', device: '/dev/sda1' }],
    ],
    [
      'SELECT name, major, minor, platform, codename FROM os_version',
      [{ name: 'Ubuntu', major: 22, minor: 4, platform: 'ubuntu', codename: 'jammy' }],
    ],
    [
      'SELECT name, parent, size, block_size, uuid FROM block_devices',
      [
        { name: '/dev/sda', parent: '', size: 256, block_size: 4096, uuid: '' },
        { name: '/dev/sda1', parent: '/dev/sda', size: 128, block_size: 4096, uuid: 'aa-bb' },
      ],
    ],
    [
      'SELECT user, tty, host, time, pid FROM logged_in_users',
      [{ user: 'ann', tty: 'pts/0', host: '10.0.0.9', time: 1_700_000_100, pid: 77 }],
    ],
    [
      'SELECT u.username, g.groupname FROM users u JOIN user_groups m ON m.uid = u.uid JOIN groups g ON g.gid = m.gid ORDER BY 1, 2',
      [
        { username: 'ann', groupname: 'adm' },
        { username: 'ann', groupname: 'users' },
        { username: 'root', groupname: 'root' },
      ],
    ],
    ["SELECT path FROM file WHERE path LIKE '/srv/%/%.conf'", [{ path: '/srv/2/X.CONF' }]],
    [
      "SELECT path FROM file WHERE path LIKE '/srv/%%' AND path LIKE '%x.conf'",
      [{ path: '/srv/1/deep/er/x.conf' }, { path: '/srv/2/X.CONF' }],
    ],
    ["SELECT path FROM file WHERE directory LIKE '/srv/_'", [{ path: '/srv/1/deep' }, { path: '/srv/2/X.CONF' }]],
    ["SELECT filename, directory FROM file WHERE path = '/srv/2/'", [{ filename: '', directory: '/srv' }]],
  ])('%s', (sql, rows) => {
    const outcome = tables.query(sql);
    expect(outcome.result).toMatchObject({ ok: true });
    expect(outcome.rows).toEqual(rows);
  });

  it('rejects a relative pattern instead of finding nothing', () => {
    expect(tables.query("SELECT path FROM file WHERE path LIKE '%.conf'").result).toMatchObject({
      ok: false,
      code: 'failed',
    });
    expect(tables.query("SELECT path FROM file WHERE path LIKE 'srv/%' OR directory = 'srv'").result).toMatchObject({
      ok: false,
    });
  });
});
