import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Files of `/etc` in the box. The others are those of this machine. */
const ETC: Readonly<Record<string, string>> = {
  group: 'root:x:0:\nusers:x:100:ann,bob\nadm:x:4:ann\nann:x:5001:\nlarge:x:4294967294:\n',
  hosts: '127.0.0.1\tlocalhost\n# comment\n::1 localhost ip6-localhost # end\n  192.0.2.7   a.example.net  a\n',
  'resolv.conf':
    'nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch example.net example.com\noptions rotate edns0\n',
  services: 'ssh 22/tcp # Secure Shell\ndomain\t53/udp\nwww 80/tcp http\n# none\nodd-1 7/sctp a b c\n',
  protocols: 'ip 0 IP # internet\ntcp 6 TCP\nrspf 73 RSPF CPHB # two\n',
  crontab: '# m h\nSHELL=/bin/sh\n17 * * * * root cd / && run-parts /etc/cron.hourly\n@reboot root /bin/true\n',
  'cron.d/job': '*/5 1-4 1,15 * mon root echo "a b"\n',
  sudoers:
    'Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n# c\n%sudo ALL=(ALL) NOPASSWD: ALL\n@includedir /etc/sudoers.d\n',
  'sudoers.d/ann': 'ann ALL=(ALL) ALL\n',
  'apt/sources.list': 'deb http://deb.example.net/debian stable main\n',
  'os-release':
    'PRETTY_NAME="Box 12"\nNAME="Box Linux"\nVERSION_ID="12.5"\nVERSION="12.5 (calm)"\nVERSION_CODENAME=calm\nID=box\nID_LIKE=debian\n',
  'xdg/autostart/one.desktop': '[Desktop Entry]\nName=One\nExec=/usr/bin/one\n',
  'init.d/enabled': '#!/bin/sh\n',
  'truth/plain.txt': 'text\n',
  'truth/.hidden': 'dot\n',
  'truth/empty': '',
  shadow:
    'root:$y$j9T$c2FsdA$aGFzaA:19700:0:99999:7:::\ndaemon:*:19600:0:99999:7:::\nann:!$6$c2FsdA$aGFzaA:19650:1:90:14:30:20500:\nbob::19660:0:99999:7:::\nnobody:!:19600::::::\n',
  'ssh/ssh_config': '# c\nHost *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n',
  'yum.conf': '[main]\ngpgcheck=1\n\n[own]\nname=Own\nbaseurl=https://own.example.net/\nenabled=0\n',
  'yum.repos.d/example.repo':
    '# c\n[example]\nname=Example $releasever\nbaseurl=https://rpm.example.net/$basearch\nenabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/key\n\n[mirrored]\nname=Mirrored\nmirrorlist=https://mirror.example.net/?a=b\nmetalink=https://meta.example.net/\n',
  'sysctl.d/box.conf': '# c\nvm.swappiness = 60\nkernel/panic=0\n-net.ipv4.ip_forward=0\n',
};

/** Files of homes, by the path below the folder of homes. */
const HOMES: Readonly<Record<string, string>> = {
  'root/.ssh/authorized_keys': 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== root@a\n# c\n',
  'ann/.ssh/authorized_keys':
    'from="192.0.2.1",no-pty ssh-rsa AAAAB3NzaC1yc2E= ann at home\n\necdsa-sha2-nistp256 AAAAE2VjZHNh\n',
  'ann/node/node_modules/a/package.json':
    '{"name":"a","version":"1.2.3","description":"d","author":"A","license":"MIT","homepage":"https://a.example.net"}',
  'ann/node/node_modules/a/node_modules/c/package.json': '{"name":"c","version":"3"}',
  'ann/node/node_modules/@s/b/package.json': '{"name":"@s/b","version":"0.0.1","author":{"name":"B"}}',
  'root/.pyenv/versions/3.9.1/lib/python3.9/site-packages/six-1.16.dist-info/METADATA':
    'Metadata-Version: 2.1\nName: six\nVersion: 1.16\nSummary: one two\nAuthor: Ann\nLicense: MIT\n\ntext\n',
  'root/.pyenv/versions/3.9.1/lib/python3.9/site-packages/file-1.0.egg-info': 'Name: file\nVersion: 1.0\n',
  'ann/.config/google-chrome/Default/Preferences': JSON.stringify({
    profile: { name: 'Ann' },
    extensions: { settings: {} },
  }),
  'ann/.bash_history': 'ls -l\n#1700000000\ncd /tmp\n\necho "a b"\n',
  'ann/.zsh_history': ': 1700000001:0;vim x\nplain\n',
  'root/.sh_history': 'id\n',
  'ann/.ssh/known_hosts':
    '# c\nhost.example.net,192.0.2.3 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==\n|1|c2FsdA==|aGFzaA== ssh-rsa AAAA\n@revoked * ssh-rsa AAAB\n',
  'ann/.ssh/config': 'Host Box *.example.net\n  User Ann\n\tPort=2222\nMatch host x\n  ForwardAgent yes\n',
  'ann/.mozilla/firefox/abc.default/extensions.json': JSON.stringify({
    schemaVersion: 36,
    addons: [
      {
        ...{ id: 'a@example.net', type: 'extension', version: '1.2', visible: true, active: true, userDisabled: false },
        ...{
          applyBackgroundUpdates: 1,
          location: 'app-profile',
          path: '/home/ann/a.xpi',
          sourceURI: 'https://a.test/',
        },
        defaultLocale: { name: 'A', description: 'd', creator: 'C' },
      },
      {
        ...{ id: 'b@example.net', type: 'theme', version: '2', visible: false, active: false, userDisabled: true },
        ...{ applyBackgroundUpdates: 0, location: 'app-builtin', path: null, sourceURI: null },
        defaultLocale: { name: 'B', description: null, creator: null },
      },
    ],
  }),
  'ann/.vscode/extensions/extensions.json': JSON.stringify([
    {
      identifier: { id: 'x.y' },
      version: '0.1.0',
      location: { path: '/home/ann/.vscode/extensions/x.y-0.1.0' },
      metadata: {
        id: '11111111-2222-3333-4444-555555555555',
        ...{ publisherDisplayName: 'X', publisherId: '9', installedTimestamp: 1_700_000_000_123 },
        isPreReleaseVersion: true,
      },
    },
  ]),
};

/** What apt downloaded last. */
const RELEASE =
  'Origin: Example\nSuite: stable\nCodename: calm\nVersion: 12.5\nArchitectures: amd64 arm64\nComponents: main contrib\n';

/** Accounts of the box: their homes are below `homes`. */
function passwd(homes: string): string {
  return [
    `root:x:0:0:root:${homes}/root:/bin/bash`,
    'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin',
    `ann:x:5001:5001:Ann Example,,,:${homes}/ann:/bin/sh`,
    `bob:x:4294967294:100::${homes}/bob:`,
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
  ].join('\n');
}

/** Keys of each kind, with and without a passphrase. */
function privateKeys(): Readonly<Record<string, string>> {
  const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  return {
    'ann/.ssh/rsa': rsa.export({ type: 'pkcs1', format: 'pem' }).toString(),
    'ann/.ssh/rsa8': rsa.export(pkcs8).toString(),
    'ann/.ssh/rsa-locked': rsa.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: 'x' }).toString(),
    'ann/.ssh/ec': ec.export({ type: 'sec1', format: 'pem' }).toString(),
    'ann/.ssh/ed25519': generateKeyPairSync('ed25519').privateKey.export(pkcs8).toString(),
  };
}

/** Lays the files of the box: what is to go over `/etc`, and the homes. */
export function layFiles(folder: string): void {
  const homes = join(folder, 'homes');
  const all = {
    ...prefixed('etc', { ...ETC, passwd: passwd(homes) }),
    ...prefixed('homes', { ...HOMES, ...privateKeys() }),
  };
  for (const [path, content] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
    utimesSync(join(folder, path), 1_700_000_000, 1_700_000_001);
  }
  mkdirSync(join(homes, 'bob'), { recursive: true });
  mkdirSync(join(folder, 'etc/truth/folder'));
  symlinkSync('plain.txt', join(folder, 'etc/truth/link'));
  symlinkSync('nowhere', join(folder, 'etc/truth/broken'));
  writeFileSync(join(folder, 'deb.example.net_debian_dists_stable_Release'), RELEASE);
  writeFileSync(join(folder, 'wtmp'), Buffer.concat(LOGINS.map(loginRecord)));
  writeFileSync(join(folder, 'utmp'), Buffer.concat(LOGINS.filter(({ type }) => type !== 8).map(loginRecord)));
}

function prefixed(folder: string, files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([path, content]) => [`${folder}/${path}`, content]));
}

interface Login {
  readonly type: number;
  readonly pid: number;
  readonly line: string;
  readonly id: string;
  readonly user: string;
  readonly host: string;
  readonly time: number;
}

const LOGINS: readonly Login[] = [
  { type: 2, pid: 0, line: '~', id: '~~', user: 'reboot', host: '6.1.0', time: 1_700_000_000 },
  { type: 7, pid: 900, line: 'tty1', id: '1', user: 'root', host: '', time: 1_700_000_100 },
  { type: 7, pid: 901, line: 'pts/0', id: 'ts/0', user: 'ann', host: '192.0.2.9', time: 1_700_000_200 },
  { type: 8, pid: 901, line: 'pts/0', id: 'ts/0', user: '', host: '', time: 1_700_000_300 },
];

/** A record of utmp(5) on 64-bit Linux. */
function loginRecord({ type, pid, line, id, user, host, time }: Login): Buffer {
  const record = Buffer.alloc(384);
  record.writeInt32LE(type, 0);
  record.writeInt32LE(pid, 4);
  record.write(line, 8);
  record.write(id, 40);
  record.write(user, 44);
  record.write(host, 76);
  record.writeInt32LE(time, 340);
  return record;
}
