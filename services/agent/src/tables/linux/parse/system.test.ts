import { describe, expect, it } from '@jest/globals';
import { parseCpuinfo } from './cpuinfo.js';
import { parseMounts } from './mounts.js';
import { parseDesktopEntry, parseShow, parseUnitFile, unitObjectPath } from './systemd.js';

const CPU = (processor: number, core: number) =>
  `processor\t: ${processor}\nvendor_id\t: GenuineIntel\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R): Gold\nmicrocode\t: 0x1\nphysical id\t: 0\ncore id\t\t: ${core}\n`;

describe('the system', () => {
  it('counts cores, threads and sockets', () => {
    expect(parseCpuinfo([CPU(0, 0), CPU(1, 0), CPU(2, 1), CPU(3, 1)].join('\n'))).toEqual({
      brand: 'Intel(R) Xeon(R): Gold',
      model: '85',
      microcode: '0x1',
      threads: 4,
      cores: 2,
      sockets: 1,
    });
    expect(parseCpuinfo('processor\t: 0\nCPU part\t: 0xd0c\n\nprocessor\t: 1\n')).toMatchObject({
      threads: 2,
      cores: 2,
      sockets: 1,
    });
    expect(parseCpuinfo('')).toMatchObject({ threads: 0, cores: 0, sockets: 0 });
  });

  it('reads mounts with escaped names', () => {
    expect(parseMounts('/dev/sda1 / ext4 rw,relatime 0 0\n//srv/x /mnt/a\\040b cifs ro 0 0\n')).toEqual([
      { device: '/dev/sda1', path: '/', type: 'ext4', flags: 'rw,relatime' },
      { device: '//srv/x', path: '/mnt/a b', type: 'cifs', flags: 'ro' },
    ]);
  });

  it('reads the output of systemctl show', () => {
    const shown = [...parseShow('Id=ssh.service\nDescription=OpenBSD = SSH\nJob=\n\nId=cron.service\n')];
    expect(shown.map((unit) => unit.get('Id'))).toEqual(['ssh.service', 'cron.service']);
    expect(shown[0]?.get('Description')).toBe('OpenBSD = SSH');
  });

  it('reads unit files', () => {
    expect(
      parseUnitFile('[Unit]\nDescription=A \\\nB\n# c\n[Service]\nUser=www\n[Install]\nWantedBy=x\n'),
    ).toMatchObject({
      description: 'A  B',
      user: 'www',
      sourcePath: '',
      isInstallable: true,
    });
    expect(parseUnitFile('').isInstallable).toBe(false);
    expect(unitObjectPath('dbus-org.x.service')).toBe('/org/freedesktop/systemd1/unit/dbus_2dorg_2ex_2eservice');
  });

  it('reads desktop entries', () => {
    const entry = parseDesktopEntry(
      '[Desktop Entry]\nName=Applet\nExec=/usr/bin/a --b\n[Desktop Action x]\nName=Other\n',
    );
    expect(Object.fromEntries(entry)).toEqual({ Name: 'Applet', Exec: '/usr/bin/a --b' });
  });
});
