import type { Facts } from '@muster/protocol';

/** The role of a machine: it decides what is installed and what runs. */
export type Role = 'web' | 'db' | 'app' | 'build' | 'office' | 'developer' | 'directory' | 'design';

/** The image of many machines. */
export interface Profile {
  readonly id: string;
  readonly os: Facts['os'];
  readonly osName: string;
  readonly osVersion: string;
  readonly codename: string;
  readonly arch: string;
  readonly packages: 'deb' | 'rpm' | 'none';
  readonly role: Role;
  /** How many of a thousand machines. */
  readonly weight: number;
}

type Release = Pick<Profile, 'os' | 'osName' | 'osVersion' | 'codename' | 'arch' | 'packages'>;

function linux(osName: string, osVersion: string, codename: string, packages: 'deb' | 'rpm', arch = 'x86_64'): Release {
  return { os: 'linux', osName, osVersion, codename, arch, packages };
}

const DEBIAN_12 = linux('Debian GNU/Linux', '12', 'bookworm', 'deb');
const DEBIAN_13 = linux('Debian GNU/Linux', '13', 'trixie', 'deb');
const UBUNTU_22 = linux('Ubuntu', '22.04', 'jammy', 'deb');
const UBUNTU_24 = linux('Ubuntu', '24.04', 'noble', 'deb');
const UBUNTU_24_ARM = linux('Ubuntu', '24.04', 'noble', 'deb', 'aarch64');
const ROCKY_9 = linux('Rocky Linux', '9.4', 'Blue Onyx', 'rpm');

function windows(osName: string, osVersion: string, codename: string): Release {
  return { os: 'windows', osName, osVersion, codename, arch: 'x86_64', packages: 'none' };
}

const WINDOWS_10 = windows('Microsoft Windows 10 Enterprise', '10.0.19045', '22H2');
const WINDOWS_11 = windows('Microsoft Windows 11 Enterprise', '10.0.22631', '23H2');
const SERVER_2019 = windows('Microsoft Windows Server 2019 Standard', '10.0.17763', '1809');
const SERVER_2022 = windows('Microsoft Windows Server 2022 Standard', '10.0.20348', '21H2');

function mac(osVersion: string, codename: string, arch: string): Release {
  return { os: 'darwin', osName: 'macOS', osVersion, codename, arch, packages: 'none' };
}

const VENTURA = mac('13.6.9', 'Ventura', 'x86_64');
const SONOMA = mac('14.6.1', 'Sonoma', 'arm64');
const SEQUOIA = mac('15.1', 'Sequoia', 'arm64');

function image(release: Release, role: Role, weight: number): Profile {
  const name = `${release.osName} ${release.osVersion} ${release.arch} ${role}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9.]+/g, '-');
  return { ...release, id: name, role, weight };
}

/** The images of a realistic enterprise: half of it Linux servers, a third Windows, the rest Macs. */
export const PROFILES: readonly [Profile, ...Profile[]] = [
  image(DEBIAN_12, 'web', 90),
  image(DEBIAN_12, 'db', 50),
  image(DEBIAN_12, 'app', 80),
  image(DEBIAN_12, 'build', 20),
  image(DEBIAN_13, 'web', 30),
  image(DEBIAN_13, 'app', 30),
  image(UBUNTU_22, 'web', 40),
  image(UBUNTU_22, 'db', 20),
  image(UBUNTU_22, 'app', 50),
  image(UBUNTU_22, 'developer', 25),
  image(UBUNTU_24, 'web', 30),
  image(UBUNTU_24, 'app', 40),
  image(UBUNTU_24, 'developer', 40),
  image(UBUNTU_24_ARM, 'app', 20),
  image(ROCKY_9, 'db', 25),
  image(ROCKY_9, 'app', 25),
  image(WINDOWS_10, 'office', 90),
  image(WINDOWS_10, 'developer', 20),
  image(WINDOWS_11, 'office', 110),
  image(WINDOWS_11, 'developer', 40),
  image(SERVER_2019, 'app', 15),
  image(SERVER_2022, 'app', 25),
  image(SERVER_2022, 'db', 15),
  image(SERVER_2022, 'directory', 10),
  image(VENTURA, 'office', 10),
  image(SONOMA, 'developer', 30),
  image(SONOMA, 'design', 15),
  image(SEQUOIA, 'developer', 25),
  image(SEQUOIA, 'office', 10),
];

/** The profile of a uniform fleet. */
export const UNIFORM_PROFILE: Profile = PROFILES[0];
