import type { Machine } from './machine.js';
import type { Role } from './profile.js';
import { seeded } from './seeded.js';

/** The software of each kind of machine. */

const LINUX_BASE = `adduser apt base-files base-passwd bash bsdutils coreutils dash debconf debianutils diffutils dpkg e2fsprogs
findutils gpgv grep gzip hostname init init-system-helpers libacl1 libapt-pkg6.0 libattr1 libaudit1 libblkid1 libbz2-1.0 libc-bin libc6
libcap2 libcom-err2 libcrypt1 libdb5.3 libdebconfclient0 libext2fs2 libffi8 libgcc-s1 libgcrypt20 libgmp10 libgnutls30 libgpg-error0
libgssapi-krb5-2 libidn2-0 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 liblz4-1 liblzma5 libmount1 libncursesw6 libnettle8
libp11-kit0 libpam-modules libpam-modules-bin libpam-runtime libpam0g libpcre2-8-0 libseccomp2 libselinux1 libsemanage2 libsepol2
libsmartcols1 libss2 libssl3 libstdc++6 libsystemd0 libtasn1-6 libtinfo6 libtirpc3 libudev1 libunistring2 libuuid1 libxxhash0 libzstd1
login logsave mawk mount ncurses-base ncurses-bin passwd perl-base sed sysvinit-utils systemd systemd-sysv tar tzdata udev usr-is-merged
util-linux zlib1g openssh-server openssh-client openssl ca-certificates curl wget rsyslog logrotate cron sudo vim-tiny less iproute2
iputils-ping netbase procps psmisc lsof rsync chrony python3 python3-minimal python3.11 libpython3-stdlib unattended-upgrades dbus
libdbus-1-3 libexpat1 libsqlite3-0 libreadline8 libnss-systemd libpam-systemd ethtool dmidecode pciutils usbutils nftables iptables
apparmor auditd libauparse0 linux-image-amd64 grub-pc grub-common grub2-common initramfs-tools kmod gnupg gpg gpg-agent dirmngr lsb-release`;

const LINUX_ROLES: Readonly<Record<Role, string>> = {
  web: 'nginx nginx-common libnginx-mod-stream certbot python3-acme haproxy varnish libjemalloc2 php8.2-fpm php8.2-common php8.2-cli',
  db: 'postgresql-15 postgresql-client-15 postgresql-common libpq5 pgbouncer redis-server redis-tools libhiredis0.14 barman lvm2 mdadm',
  app: 'openjdk-17-jre-headless nodejs docker.io containerd runc libjson-c5 tomcat10 tomcat10-common libtcnative-1 prometheus-node-exporter',
  build:
    'gcc gcc-12 g++ make cmake git git-man build-essential docker.io containerd runc nodejs npm golang-go rustc cargo ccache',
  office: 'libreoffice-core firefox-esr thunderbird gnome-shell gdm3 cups network-manager',
  developer:
    'gcc g++ make git git-man docker.io containerd runc nodejs npm golang-go code firefox-esr gnome-shell gdm3 cups network-manager slack-desktop',
  directory: 'slapd ldap-utils krb5-kdc krb5-admin-server sssd',
  design: 'gimp inkscape blender firefox-esr gnome-shell gdm3',
};

const WINDOWS_BASE: readonly (readonly [name: string, publisher: string, version: string])[] = [
  ['Microsoft Edge', 'Microsoft Corporation', '130.0.2849'],
  ['Microsoft Edge WebView2 Runtime', 'Microsoft Corporation', '130.0.2849'],
  ['Microsoft Visual C++ 2015-2022 Redistributable (x64)', 'Microsoft Corporation', '14.40.33810'],
  ['Microsoft Visual C++ 2013 Redistributable (x64)', 'Microsoft Corporation', '12.0.40664'],
  ['Microsoft .NET Runtime - 8.0 (x64)', 'Microsoft Corporation', '8.0.10'],
  ['VMware Tools', 'VMware, Inc.', '12.4.0'],
  ['7-Zip 24.08 (x64)', 'Igor Pavlov', '24.08'],
  ['PuTTY release 0.81 (64-bit)', 'Simon Tatham', '0.81.0'],
  ['Notepad++ (64-bit x64)', 'Notepad++ Team', '8.7'],
  ['Mozilla Maintenance Service', 'Mozilla', '132.0'],
];

const WINDOWS_ROLES: Readonly<Partial<Record<Role, readonly (readonly [string, string, string])[]>>> = {
  office: [
    ['Microsoft 365 Apps for enterprise - en-us', 'Microsoft Corporation', '16.0.17928'],
    ['Adobe Acrobat Reader (64-bit)', 'Adobe', '24.003.20180'],
    ['Google Chrome', 'Google LLC', '130.0.6723'],
    ['Zoom Workplace (64-bit)', 'Zoom', '6.2.50939'],
    ['Microsoft Teams', 'Microsoft Corporation', '24277.3507'],
    ['Cisco Secure Client', 'Cisco Systems, Inc.', '5.1.4'],
  ],
  developer: [
    ['Microsoft Visual Studio Code', 'Microsoft Corporation', '1.95.0'],
    ['Git', 'The Git Development Community', '2.47.0'],
    ['Docker Desktop', 'Docker Inc.', '4.34.3'],
    ['Python 3.12.7 (64-bit)', 'Python Software Foundation', '3.12.7150'],
    ['Node.js', 'Node.js Foundation', '20.18.0'],
    ['Google Chrome', 'Google LLC', '130.0.6723'],
    ['JetBrains Toolbox', 'JetBrains s.r.o.', '2.5.1'],
  ],
  db: [
    ['Microsoft SQL Server 2022 (64-bit)', 'Microsoft Corporation', '16.0.4150'],
    ['SQL Server Management Studio', 'Microsoft Corporation', '20.2.30'],
  ],
  app: [
    ['IIS URL Rewrite Module 2', 'Microsoft Corporation', '7.2.1993'],
    ['OpenJDK 17.0.12 (64-bit)', 'Eclipse Adoptium', '17.0.12'],
  ],
  directory: [['Microsoft Entra Connect Sync', 'Microsoft Corporation', '2.4.21']],
};

export interface Package {
  readonly name: string;
  readonly version: string;
}

/** Packages of a Linux machine: a common base and those of its role, in the versions of its release and patch level. */
export function linuxPackages(machine: Machine): Package[] {
  const { profile } = machine;
  const names = [...new Set(`${LINUX_BASE} ${LINUX_ROLES[profile.role]}`.split(/\s+/))].sort();
  const release = seeded(17, 0, profile.osVersion);
  return names.map((name, i) => {
    const major = 1 + (seeded(release, i, name) % 12);
    const minor = seeded(release, i, `${name} minor`) % 30;
    // A third of the packages gets a new version with each round of updates.
    const moved = seeded(release, i, `${name} moved`) % 3 <= 2 - machine.patchLevel ? 2 - machine.patchLevel : 0;
    const suffix = profile.osName === 'Ubuntu' ? `ubuntu0.${moved + 1}` : `+deb${profile.osVersion}u${moved + 1}`;
    return {
      name,
      version: `${major}.${minor}.${moved}-${1 + (i % 4)}${profile.packages === 'deb' ? suffix : '.el9_4'}`,
    };
  });
}

export interface Program extends Package {
  readonly publisher: string;
}

/** Programs of a Windows machine. */
export function windowsPrograms(machine: Machine): Program[] {
  const all = [...WINDOWS_BASE, ...(WINDOWS_ROLES[machine.profile.role] ?? [])];
  return all.map(([name, publisher, version]) => ({
    name,
    publisher,
    version: `${version}.${100 - machine.patchLevel}`,
  }));
}
