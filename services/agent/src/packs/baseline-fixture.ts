/** A file of a tree: its text, mode and owner. A folder ends with a slash. */
export type FixtureFile = readonly [text: string, mode?: number, uid?: number];
export type Tree = Readonly<Record<string, FixtureFile>>;

const NOW = Math.floor(Date.now() / 1_000);
const sshd = (line: string): Tree => ({ 'etc/ssh/sshd_config': [`${line}\n`, 0o600] });
const control = (name: string, value: string): Tree => ({ [`proc/sys/${name}`]: [`${value}\n`] });
const unit = (name: string): Tree => ({
  [`usr/lib/systemd/system/${name}`]: [`[Unit]\nDescription=${name}\n[Install]\nWantedBy=multi-user.target\n`],
});
const MOUNT_OPTIONS = 'rw,nosuid,nodev,noexec';
const mounts = (options: Readonly<Record<string, string>> = {}): string =>
  ['/tmp', '/var/tmp', '/dev/shm', '/home']
    .map((path) => `tmpfs ${path} tmpfs ${options[path] ?? MOUNT_OPTIONS} 0 0\n`)
    .join('');
const process = (pid: number, name: string): Tree => ({
  [`proc/${pid}/stat`]: [`${pid} (${name}) S 1 1 1 0 -1 4194560 1 1 1 1 10 20 0 0 20 0 1 0 5 1000 2 0`],
  [`proc/${pid}/status`]: [`Name:\t${name}\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmRSS:\t8 kB\n`],
  [`proc/${pid}/cmdline`]: [`/usr/sbin/${name}\0`],
});
/** A socket that listens on all addresses. */
const listener = (port: number): Tree => ({
  'proc/10/net/tcp': [
    `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 00000000:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000 100 0 0 10 0\n`,
  ],
});
const PASSWD =
  'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nann:x:1000:1000::/home/ann:/bin/sh\n';
const SHADOW = 'root:*:19000:0:99999:7:::\nann:$y$j9T$a$b:19000:0:365:7:::\n';
const SUDOERS =
  'Defaults env_reset\nDefaults use_pty\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n';

const CONTROLS: Readonly<Record<string, readonly [good: string, bad: string]>> = {
  'kernel/randomize_va_space': ['2', '0'],
  'kernel/dmesg_restrict': ['1', '0'],
  'kernel/kptr_restrict': ['1', '0'],
  'kernel/yama/ptrace_scope': ['1', '0'],
  'kernel/unprivileged_bpf_disabled': ['2', '0'],
  'kernel/sysrq': ['0', '1'],
  'fs/suid_dumpable': ['0', '2'],
  'fs/protected_hardlinks': ['1', '0'],
  'fs/protected_symlinks': ['1', '0'],
  'net/ipv4/tcp_syncookies': ['1', '0'],
  'net/ipv4/conf/all/accept_redirects': ['0', '1'],
  'net/ipv4/conf/all/send_redirects': ['0', '1'],
  'net/ipv4/conf/all/accept_source_route': ['0', '1'],
  'net/ipv4/conf/all/log_martians': ['1', '0'],
  'net/ipv4/conf/all/rp_filter': ['1', '0'],
  'net/ipv4/icmp_echo_ignore_broadcasts': ['1', '0'],
};

/** A machine that passes every check of `linux-baseline`. */
export const GOOD_TREE: Tree = {
  'etc/ssh/sshd_config': [
    'PermitRootLogin no\nPasswordAuthentication no\nMaxAuthTries 4\nLoginGraceTime 1m\nMatch User ann\n  PermitRootLogin yes\n',
    0o600,
  ],
  'etc/ssh/ssh_host_ed25519_key': ['key', 0o600],
  'etc/passwd': [PASSWD, 0o644],
  'etc/group': ['root:x:0:\nusers:x:100:\n', 0o644],
  'etc/shadow': [SHADOW, 0o640],
  'etc/gshadow': ['root:*::\n', 0o640],
  'etc/login.defs': ['# PASS_MAX_DAYS 1\nPASS_MAX_DAYS 365\nPASS_WARN_AGE 7\n'],
  'etc/sudoers': [SUDOERS, 0o440],
  'etc/sudoers.d/ann': ['ann ALL=(root) /usr/bin/apt-get update\n', 0o440],
  'etc/crontab': ['', 0o600],
  'etc/ld.so.conf': ['', 0o644],
  'boot/grub/grub.cfg': ['', 0o600],
  'root/': ['', 0o700],
  'tmp/': ['', 0o1777],
  'usr/bin/passwd': ['', 0o4755],
  ...Object.fromEntries(Object.entries(CONTROLS).flatMap(([name, [good]]) => Object.entries(control(name, good)))),
  'proc/mounts': [mounts()],
  'proc/self/mounts': [mounts()],
  'proc/modules': ['nf_tables 311296 1 - Live 0x0000000000000000\n'],
  ...listener(22),
  ...unit('nftables.service'),
  'etc/systemd/system/multi-user.target.wants/nftables.service': ['@/usr/lib/systemd/system/nftables.service'],
  ...unit('chrony.service'),
  'etc/systemd/system/multi-user.target.wants/chrony.service': ['@/usr/lib/systemd/system/chrony.service'],
  'etc/default/ufw': ['DEFAULT_INPUT_POLICY="DROP"\n'],
  'etc/nftables.conf': ['', 0o644],
  'var/lib/dpkg/status': ['Package: bash\nVersion: 5.2-1\nStatus: install ok installed\n\n'],
  'etc/apt/apt.conf.d/20auto-upgrades': ['APT::Periodic::Unattended-Upgrade "1";\n'],
  'etc/apt/sources.list': ['deb http://security.debian.org/debian-security bookworm-security main\n'],
  'var/lib/apt/lists/': [''],
  ...process(10, 'chronyd'),
  ...process(11, 'rsyslogd'),
  ...process(12, 'auditd'),
  'proc/stat': [`cpu0 1 2 3 4 5 6 7 8 9 10\nbtime ${NOW - 100}\n`],
  'var/log/syslog': ['', 0o640],
};

/** What is changed so that a check fails: files by path, `undefined` for one that is removed. */
export const BAD_TREES: Readonly<Record<string, Readonly<Record<string, FixtureFile | undefined>>>> = {
  'ssh-root-login': sshd('PermitRootLogin yes'),
  'ssh-empty-passwords': sshd('PermitEmptyPasswords yes'),
  'ssh-password-login': sshd('# PasswordAuthentication no'),
  'ssh-x11-forwarding': sshd('X11Forwarding yes'),
  'ssh-max-auth-tries': sshd('MaxAuthTries 10'),
  'ssh-ignore-rhosts': sshd('IgnoreRhosts no'),
  'ssh-host-based': { 'etc/ssh/sshd_config.d/a.conf': ['hostbasedauthentication=yes\n'] },
  'ssh-user-environment': sshd('PermitUserEnvironment yes'),
  'ssh-login-grace-time': sshd('LoginGraceTime 0'),
  'ssh-log-level': sshd('LogLevel QUIET'),
  'ssh-config-owner': { 'etc/ssh/sshd_config': ['', 0o666] },
  'ssh-host-keys': { 'etc/ssh/ssh_host_ed25519_key': ['key', 0o644] },
  'accounts-only-root-is-uid-0': { 'etc/passwd': [`${PASSWD}toor:x:0:0::/root:/bin/sh\n`] },
  'accounts-empty-password': { 'etc/shadow': [`${SHADOW}eve::19000:0:99999:7:::\n`, 0o640] },
  'accounts-password-hash': { 'etc/shadow': [`${SHADOW}eve:$1$a$b:19000:0:99999:7:::\n`, 0o640] },
  'accounts-unique-ids': { 'etc/passwd': [`${PASSWD}eve:x:1000:100::/home/eve:/bin/sh\n`] },
  'accounts-unique-names': { 'etc/passwd': [`${PASSWD}ann:x:1001:100::/home/eve:/bin/sh\n`] },
  'accounts-unique-group-ids': { 'etc/group': ['root:x:0:\nusers:x:100:\nothers:x:100:\n'] },
  'accounts-system-shells': { 'etc/passwd': [`${PASSWD}www:x:33:33::/var/www:/bin/bash\n`] },
  'accounts-nis-entries': { 'etc/passwd': [`${PASSWD}+::::::\n`] },
  'accounts-root-group': { 'etc/passwd': [PASSWD.replace('root:x:0:0', 'root:x:0:5')] },
  'passwords-maximum-age': { 'etc/login.defs': ['PASS_MAX_DAYS 99999\n'] },
  'passwords-warning': { 'etc/login.defs': ['PASS_WARN_AGE 1\n'] },
  'sudo-without-password': { 'etc/sudoers.d/ann': ['ann ALL=(ALL) NOPASSWD: ALL\n', 0o440] },
  'sudo-without-authentication': { 'etc/sudoers': [`Defaults !authenticate\n${SUDOERS}`, 0o440] },
  'sudo-own-terminal': { 'etc/sudoers': [SUDOERS.replace('Defaults use_pty\n', ''), 0o440] },
  'sudo-everything': { 'etc/sudoers.d/ann': ['ann ALL=(ALL) ALL\n', 0o440] },
  'sudo-rules-owner': { 'etc/sudoers': [SUDOERS, 0o440, 1000] },
  'sudo-drop-in-owner': { 'etc/sudoers.d/ann': ['', 0o666] },
  'files-passwd': { 'etc/passwd': [PASSWD, 0o646] },
  'files-group': { 'etc/group': ['root:x:0:\n', 0o664] },
  'files-shadow': { 'etc/shadow': [SHADOW, 0o644] },
  'files-gshadow': { 'etc/gshadow': ['', 0o644] },
  'files-crontab': { 'etc/crontab': ['', 0o666] },
  'files-root-home': { 'root/': ['', 0o777] },
  'files-temporary-sticky': { 'tmp/': ['', 0o777] },
  'files-world-writable-etc': { 'etc/motd': ['', 0o666] },
  'files-boot-loader': { 'boot/grub/grub.cfg': ['', 0o644] },
  'files-library-path': { 'etc/ld.so.conf': ['', 0o666] },
  'suid-known-programs': { 'usr/bin/own-shell': ['', 0o4755] },
  'suid-writable': { 'usr/bin/passwd': ['', 0o4757] },
  'suid-temporary': { 'tmp/shell': ['', 0o4755] },
  ...Object.fromEntries(
    Object.entries(CONTROLS).map(([name, [, bad]]) => [
      `kernel-${name.replaceAll(/[/_.]/g, '-').replace('kernel-', '')}`,
      control(name, bad),
    ]),
  ),
  ...Object.fromEntries(
    [
      '/tmp nosuid',
      '/tmp nodev',
      '/var/tmp nosuid',
      '/var/tmp nodev',
      '/dev/shm nosuid',
      '/dev/shm nodev',
      '/dev/shm noexec',
    ]
      .concat(['/home nodev', '/home nosuid'])
      .map((one): [string, Tree] => {
        const [path = '', flag = ''] = one.split(' ');
        const text = mounts({ [path]: MOUNT_OPTIONS.replace(`,${flag}`, '') });
        return [`mount${path.replaceAll('/', '-')}-${flag}`, { 'proc/mounts': [text], 'proc/self/mounts': [text] }];
      }),
  ),
  'listening-clear-text': listener(23),
  'listening-file-sharing': listener(2049),
  'listening-databases': listener(6379),
  'listening-desktop': listener(5900),
  'listening-management': listener(2375),
  'firewall-in-kernel': { 'proc/modules': ['ext4 1003520 1 - Live 0x0000000000000000\n'] },
  'firewall-at-start': { 'etc/systemd/system/multi-user.target.wants/nftables.service': undefined },
  'firewall-default-policy': { 'etc/default/ufw': ['DEFAULT_INPUT_POLICY="ACCEPT"\n'] },
  'firewall-rules-owner': { 'etc/nftables.conf': ['', 0o666] },
  'updates-automatic': { 'etc/apt/apt.conf.d/20auto-upgrades': ['APT::Periodic::Unattended-Upgrade "0";\n'] },
  'updates-security-source': { 'etc/apt/sources.list': ['deb http://deb.debian.org/debian bookworm main\n'] },
  'updates-signatures': { 'etc/apt/sources.list': ['deb [trusted=yes] http://security.x/ a main\n'] },
  'time-service-runs': { 'proc/10/stat': undefined },
  'time-service-at-start': { 'etc/systemd/system/multi-user.target.wants/chrony.service': undefined },
  'time-one-service': process(13, 'ntpd'),
  'logging-service-runs': { 'proc/11/stat': undefined },
  'logging-kept': { 'var/log/syslog': undefined },
  'logging-files': { 'var/log/syslog': ['', 0o666] },
  'logging-audit': { 'proc/12/stat': undefined },
};
