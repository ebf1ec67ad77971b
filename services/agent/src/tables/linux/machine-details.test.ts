import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { LinuxTables } from '../table-fixture.js';
import { parseMap } from './parse/maps.js';
import { parseRpmFiles } from './parse/rpm-files.js';

describe('this machine', () => {
  let tables: LinuxTables;
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    tables = await LinuxTables.open();
  });
  afterAll(() => {
    tables.close();
    for (const child of children) child.kill('SIGKILL');
  });
  const rows = (sql: string) => tables.query(sql).rows;

  it('has the memory map of a process as the kernel writes it', async () => {
    const child = spawn('/bin/cat', { stdio: ['pipe', 'pipe', 'ignore'] });
    children.push(child);
    // What it repeats says that it has started, and waits again.
    child.stdin.write('ready\n');
    await once(child.stdout, 'data');
    const exe = (): string => readlinkSync(`/proc/${child.pid}/exe`);
    const lines = readFileSync(`/proc/${child.pid}/maps`, 'utf8').trim().split('\n');
    const found = rows(
      `SELECT start || '-' || "end" AS range, permissions, path, pseudo FROM process_memory_map WHERE pid = ${child.pid}`,
    );
    expect(found.map(({ range }) => String(range).replaceAll('0x', ''))).toEqual(
      lines.map((line) => line.split(' ')[0]),
    );
    expect(found).toContainEqual(expect.objectContaining({ path: exe(), permissions: 'r-xp', pseudo: 0 }));
    expect(found).toContainEqual(expect.objectContaining({ path: '[stack]', pseudo: 1 }));
  });

  it('has the namespaces of this process, and none of a thread id', () => {
    const [row] = rows(`SELECT * FROM process_namespaces WHERE pid = ${process.pid}`);
    for (const kind of ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'])
      expect(`${kind}:[${String(row?.[`${kind}_namespace`])}]`).toBe(readlinkSync(`/proc/self/ns/${kind}`));
  });

  it('says who is at the other end of a pipe, with a name or without', () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-pipes-'));
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const child = spawn('/bin/sleep', ['600'], {
      stdio: ['pipe', openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK), 'ignore'],
    });
    children.push(child);
    const own = rows(`SELECT * FROM process_open_pipes WHERE pid = ${child.pid}`);
    expect(own).toContainEqual(
      expect.objectContaining({
        fd: 1,
        mode: 'w',
        type: 'named',
        partner_pid: process.pid,
        partner_fd: fd,
        partner_mode: 'rw',
      }),
    );
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  it('has the settings of the kernel as sysctl names them', () => {
    const [row] = rows("SELECT * FROM system_controls WHERE name = 'kernel.ostype'");
    expect(row).toMatchObject({ name: 'kernel.ostype', subsystem: 'kernel', current_value: 'Linux', type: 'string' });
    for (const name of ['../../etc/passwd', 'kernel', '', '.', 'kernel.', 'kernel/../kernel.ostype'])
      expect(rows(`SELECT * FROM system_controls WHERE name = '${name}'`)).toEqual([]);
    const kernel = rows("SELECT name FROM system_controls WHERE subsystem = 'vm'");
    expect(kernel.length).toBeGreaterThan(20);
    expect(rows('SELECT count(*) AS n FROM system_controls')[0]?.['n']).toBeGreaterThan(kernel.length);
  });

  it('has the files of a package as dpkg has them', () => {
    const files = execFileSync('dpkg', ['-L', 'dpkg'], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .filter((path) => path.startsWith('/'));
    expect(rows("SELECT path FROM deb_package_files WHERE package = 'dpkg'").map(({ path }) => path)).toEqual(files);
  });

  it('has programs with the rights of their owner, in /tmp too, but not behind links to folders', () => {
    const folder = mkdtempSync('/tmp/muster-suid-');
    const path = join(folder, 'deep/tool');
    mkdirSync(dirname(path));
    writeFileSync(path, '');
    chmodSync(path, 0o6755);
    symlinkSync('deep', join(folder, 'loop'));
    symlinkSync('deep/tool', join(folder, 'link'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    chmodSync(join(folder, 'pipe'), 0o4755);
    const found = rows(`SELECT path, permissions FROM suid_bin WHERE path LIKE '${folder}%' ORDER BY path`);
    expect(found).toEqual([
      { path, permissions: 'SG' },
      { path: join(folder, 'link'), permissions: 'SG' },
    ]);
    rmSync(folder, { recursive: true });
  });
});

describe('a copied tree', () => {
  let root: string;
  let tables: LinuxTables;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'muster-details-'));
    tables = await LinuxTables.open(root);
  });
  afterEach(() => {
    tables.close();
    rmSync(root, { recursive: true });
  });
  const write = (path: string, content: string | Buffer): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  const rows = (sql: string) => tables.query(sql).rows;

  it('sysctl files count in their own order; a dot in a name is a slash', () => {
    write('proc/sys/net/ipv4/conf/eth0.100/forwarding', '1\n');
    write('proc/sys/vm/swappiness', '60\n');
    write('usr/lib/sysctl.d/10-a.conf', 'vm.swappiness = 1\n-net/ipv4/conf/eth0.100/forwarding=0\n');
    write('usr/lib/sysctl.d/20-b.conf', 'vm.swappiness = 2\n');
    write('etc/sysctl.d/20-b.conf', '# vm.swappiness = 3\n; c\n  vm.swappiness =  4 5 \n');
    write('etc/sysctl.d/30-c.txt', 'vm.swappiness = 6\n');
    expect(rows('SELECT name, current_value, config_value FROM system_controls')).toEqual([
      { name: 'net.ipv4.conf.eth0/100.forwarding', current_value: '1', config_value: '0' },
      { name: 'vm.swappiness', current_value: '60', config_value: '4 5' },
    ]);
  });

  it('SELinux, AppArmor and Secure Boot say what they are set to; without them there is no row', () => {
    for (const table of ['selinux_settings', 'apparmor_profiles', 'secureboot'])
      expect(rows(`SELECT * FROM ${table}`)).toEqual([]);
    write('sys/fs/selinux/enforce', '1');
    write('sys/fs/selinux/booleans/httpd_can', '0 0');
    write('sys/fs/selinux/class/file/perms/read', '1');
    write('sys/kernel/security/apparmor/policy/profiles/a.1/name', 'a\n');
    write('sys/kernel/security/apparmor/policy/profiles/a.1/mode', 'enforce\n');
    write('sys/kernel/security/apparmor/policy/profiles/a.1/profiles/b.2/name', 'b\n');
    write('sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c', Buffer.from([6, 0, 0, 0, 1]));
    expect(rows("SELECT * FROM selinux_settings WHERE value <> ''")).toEqual([
      { scope: '', key: 'enforce', value: '1' },
      { scope: 'booleans', key: 'httpd_can', value: 'off' },
      { scope: 'class', key: 'file/perms', value: 'read' },
    ]);
    expect(rows('SELECT path, name, mode FROM apparmor_profiles')).toEqual([
      { path: 'a', name: 'a', mode: 'enforce' },
      { path: 'a//b', name: 'b', mode: '' },
    ]);
    expect(rows('SELECT * FROM secureboot')).toEqual([{ secure_boot: 1, setup_mode: -1 }]);
  });

  it('what lies on an encrypted device is encrypted', () => {
    write('sys/block/sda/sda1/partition', '1');
    write('sys/block/dm-0/dm/uuid', 'CRYPT-LUKS2-0123456789abcdef-root\n');
    write('sys/block/dm-0/slaves/sda1', '');
    write('sys/block/dm-1/dm/uuid', 'LVM-abc\n');
    write('sys/block/dm-1/slaves/dm-0', '');
    expect(rows('SELECT name, encrypted, type FROM disk_encryption')).toEqual([
      { name: '/dev/dm-0', encrypted: 1, type: 'LUKS2' },
      { name: '/dev/dm-1', encrypted: 1, type: 'LUKS2' },
      { name: '/dev/sda', encrypted: 0, type: '' },
      { name: '/dev/sda1', encrypted: 0, type: '' },
    ]);
  });

  it('devices have their ids and names, whatever a device says of itself', () => {
    write(
      'usr/share/misc/pci.ids',
      '# c\n8086  Intel\n\t1237  440FX\n\t\t1af4 1100  QEMU\nC 06  Bridge\n\t00  Host bridge\n\t\t01  x\n',
    );
    for (const [name, id] of Object.entries({
      vendor: '8086',
      device: '1237',
      subsystem_vendor: '1af4',
      subsystem_device: '1100',
      class: '060000',
    }))
      write(`sys/bus/pci/devices/0000:00:00.0/${name}`, `0x${id}\n`);
    expect(
      rows('SELECT vendor, model, model_id, subsystem_model, pci_class, pci_subclass, pci_class_id FROM pci_devices'),
    ).toEqual([
      {
        vendor: 'Intel',
        model: '440FX',
        model_id: '0x1237',
        subsystem_model: 'QEMU',
        pci_class: 'Bridge',
        pci_subclass: 'Host bridge',
        pci_class_id: '0x06',
      },
    ]);
    write('sys/bus/usb/devices/1-1/uevent', 'MAJOR=189\nTYPE=9/0/1\nBUSNUM=001\nDEVNUM=002\n');
    write('sys/bus/usb/devices/1-1/idVendor', '1d6b\n');
    write('sys/bus/usb/devices/1-1/manufacturer', 'BUSNUM=9\nevil\n');
    write('sys/bus/usb/devices/1-1/removable', 'unknown\n');
    write('sys/bus/usb/devices/1-1:1.0/uevent', 'BUSNUM=001\nDEVNUM=002\n');
    expect(
      rows('SELECT usb_address, usb_port, vendor, vendor_id, class, protocol, removable FROM usb_devices'),
    ).toEqual([
      {
        usb_address: 1,
        usb_port: 2,
        vendor: 'BUSNUM=9\nevil',
        vendor_id: '1d6b',
        class: '9',
        protocol: '1',
        removable: -1,
      },
    ]);
    write(
      'proc/cpuinfo',
      'processor : 0\nphysical id : 0\ncore id : 0\nmodel name : A: b\nflags : fpu lm\ncpu MHz : 2100.6\n\nprocessor : 1\nphysical id : 0\ncore id : 0\n\n',
    );
    expect(
      rows(
        'SELECT device_id, model, number_of_cores, logical_processors, address_width, current_clock_speed FROM cpu_info',
      ),
    ).toEqual([
      {
        device_id: 'CPU0',
        model: 'A: b',
        number_of_cores: '1',
        logical_processors: 2,
        address_width: '64',
        current_clock_speed: 2_101,
      },
    ]);
  });

  it('repositories of yum are read from the folder that is set, with values over several lines', () => {
    write('etc/yum.conf', '[main]\nreposdir=/opt/repos\n[own]\nname=Own\nbaseurl=http://a\n');
    write('opt/repos/x.repo', '[x]\nname = X repo\nbaseurl=http://b\n  http://c\n# c\nenabled=0\n[y]\ngpgcheck=1\n');
    write('opt/repos/x.repo.bak', '[z]\nname=z\n');
    expect(rows('SELECT source, name, baseurl, enabled, gpgcheck FROM yum_sources')).toEqual([
      { source: '/etc/yum.conf', name: 'Own', baseurl: 'http://a', enabled: null, gpgcheck: null },
      { source: '/opt/repos/x.repo', name: 'X repo', baseurl: 'http://b\nhttp://c', enabled: '0', gpgcheck: null },
      { source: '/opt/repos/x.repo', name: null, baseurl: null, enabled: null, gpgcheck: '1' },
    ]);
  });

  it('add-ons and extensions are those of the files; what is no such file costs nothing', () => {
    write('etc/passwd', 'eve:x:0:0::/home/eve:/bin/sh\n');
    const addon = {
      id: 'a@b',
      version: '1',
      type: 'extension',
      active: true,
      userDisabled: false,
      defaultLocale: { name: 'A', creator: 'C' },
    };
    write(
      'home/eve/.mozilla/firefox/p.default/extensions.json',
      JSON.stringify({ addons: [addon, 7, null, { defaultLocale: [] }] }),
    );
    write('home/eve/.mozilla/firefox/q.default/extensions.json', '{"addons":{"a":1}');
    expect(rows('SELECT uid, identifier, name, creator, active, disabled FROM firefox_addons')).toEqual([
      { uid: 0, identifier: 'a@b', name: 'A', creator: 'C', active: 1, disabled: 0 },
      { uid: 0, identifier: '', name: '', creator: '', active: 0, disabled: 0 },
    ]);
    const extension = {
      identifier: { id: 'p.x', uuid: 'u' },
      version: '2',
      location: { path: '/x' },
      metadata: { installedTimestamp: 1_700_000_000_000 },
    };
    write('home/eve/.vscode/extensions/extensions.json', JSON.stringify([extension]));
    write('home/eve/.cursor/extensions/extensions.json', '1},"content":[{"identifier":{"id":"forged"}}');
    expect(rows('SELECT name, path, installed_at, prerelease, vscode_edition FROM vscode_extensions')).toEqual([
      { name: 'p.x', path: '/x', installed_at: 1_700_000_000_000, prerelease: 0, vscode_edition: 'vscode' },
    ]);
  });
});

describe('texts of the kernel and of rpm', () => {
  it('a name with what looks like a line break is looked up', () => {
    const line = '7f00-7f01 r--p 00001000 fe:01 12  /tmp/a\\012b (deleted)';
    const files = (name: string | undefined, isThere = false) => ({ nameOf: () => name, isAt: () => isThere });
    expect(parseMap(line, files('/tmp/a\nb (deleted)', true))).toMatchObject({ path: '/tmp/a\nb (deleted)' });
    expect(parseMap(line, files('/tmp/a\nb (deleted)'))).toMatchObject({
      path: '/tmp/a\nb',
      inode: 12n,
      offset: 4_096n,
    });
    expect(parseMap(line, files(undefined))).toMatchObject({ path: '/tmp/a\\012b', pseudo: false });
    expect(parseMap('7f00-7f01 rw-p 00000000 00:00 0 [anon: x]', files(undefined))).toMatchObject({ pseudo: true });
    expect(parseMap('garbage', files(undefined))).toBeUndefined();
  });

  it('files of rpm may have tabs in their names', () => {
    const text =
      'bash\troot\troot\t100755\t12\t' +
      'a'.repeat(64) +
      '\t/bin/a\tb\nbash\troot\troot\t040755\t0\t\t/etc\npackage x is not installed\n';
    expect([...parseRpmFiles(text)]).toEqual([
      {
        package: 'bash',
        path: '/bin/a\tb',
        username: 'root',
        groupname: 'root',
        mode: '0755',
        size: 12,
        sha256: 'a'.repeat(64),
      },
      { package: 'bash', path: '/etc', username: 'root', groupname: 'root', mode: '0755', size: 0, sha256: '' },
    ]);
  });
});
