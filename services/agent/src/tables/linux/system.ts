import { arch } from 'node:os';
import { smbiosStructures } from './firmware.js';
import { biosInformation } from './parse/smbios.js';
import type { Collector } from '../contract/system.js';
import { parseCpuinfo } from './parse/cpuinfo.js';
import { parseAssignments } from './parse/etc.js';
import { parseColonLines } from './parse/proc.js';

const DMI = '/sys/class/dmi/id';

const TIMES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'guest', 'guest_nice'] as const;

const LOAD_PERIODS = ['1m', '5m', '15m'] as const;

const MEMORY_KEYS = {
  memory_total: 'MemTotal',
  memory_free: 'MemFree',
  memory_available: 'MemAvailable',
  buffers: 'Buffers',
  cached: 'Cached',
  swap_cached: 'SwapCached',
  active: 'Active',
  inactive: 'Inactive',
  swap_total: 'SwapTotal',
  swap_free: 'SwapFree',
} as const;

/** Hardware, kernel and load. */
export const SYSTEM_COLLECTORS: readonly Collector[] = [
  {
    table: 'system_info',
    *collect(system) {
      const hostname = system.word('/proc/sys/kernel/hostname') ?? system.word('/etc/hostname') ?? '';
      const dmi = (name: string): string => system.word(`${DMI}/${name}`) ?? '';
      const cpu = parseCpuinfo(system.text('/proc/cpuinfo') ?? '');
      const memory = parseColonLines(system.text('/proc/meminfo') ?? '').get('MemTotal');
      yield {
        hostname,
        computer_name: hostname,
        local_hostname: hostname,
        uuid: dmi('product_uuid'),
        cpu_type: machineName(arch()),
        cpu_subtype: cpu.model,
        cpu_brand: cpu.brand,
        cpu_physical_cores: cpu.cores,
        cpu_logical_cores: cpu.threads,
        cpu_sockets: cpu.sockets,
        cpu_microcode: cpu.microcode,
        physical_memory: memory === undefined ? undefined : parseInt(memory, 10) * 1024,
        hardware_vendor: dmi('sys_vendor'),
        hardware_model: dmi('product_name'),
        hardware_version: dmi('product_version'),
        hardware_serial: dmi('product_serial'),
        board_vendor: dmi('board_vendor'),
        board_model: dmi('board_name'),
        board_version: dmi('board_version'),
        board_serial: dmi('board_serial'),
      };
    },
  },
  {
    table: 'os_version',
    *collect(system) {
      const text = system.text('/etc/os-release') ?? system.text('/usr/lib/os-release');
      if (text === undefined) return;
      const release = parseAssignments(text);
      const parts = (release.get('VERSION_ID') ?? '').split('.').map((part) => parseInt(part, 10));
      const number = (index: number): number => (Number.isNaN(parts[index] ?? NaN) ? 0 : (parts[index] ?? 0));
      yield {
        name: release.get('NAME'),
        version: release.get('VERSION') ?? release.get('VERSION_ID') ?? '',
        major: number(0),
        minor: number(1),
        patch: number(2),
        build: release.get('BUILD_ID') ?? '',
        platform: release.get('ID'),
        platform_like: release.get('ID_LIKE') ?? '',
        codename: release.get('VERSION_CODENAME') ?? '',
        arch: machineName(arch()),
      };
    },
  },
  {
    table: 'kernel_info',
    *collect(system) {
      const version = system.word('/proc/sys/kernel/osrelease');
      if (version === undefined) return;
      const words = (system.word('/proc/cmdline') ?? '').split(/\s+/);
      const value = (key: string): string =>
        words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1) ?? '';
      const rest = words.filter((word) => !/^(BOOT_IMAGE|root)=/.test(word));
      yield { version, arguments: rest.join(' '), path: value('BOOT_IMAGE'), device: value('root') };
    },
  },
  {
    table: 'kernel_modules',
    *collect(system) {
      for (const line of (system.text('/proc/modules') ?? '').split('\n')) {
        const [name, size, , usedBy = '', status, address] = line.split(' ');
        if (name === undefined || size === undefined) continue;
        yield { name, size: Number(size), used_by: usedBy.replace(/,$/, ''), status, address };
      }
    },
  },
  {
    table: 'platform_info',
    *collect(system, request) {
      const dmi = (name: string): string => system.word(`${DMI}/${name}`) ?? '';
      const isUefi = system.exists('/sys/firmware/efi');
      const hasDmi = system.exists(DMI);
      const bios = smbiosStructures(system, request)
        .map(biosInformation)
        .find((one) => one !== undefined);
      // A virtual machine may have no firmware at all.
      if (!isUefi && !hasDmi && bios === undefined) return;
      yield {
        vendor: dmi('bios_vendor'),
        version: dmi('bios_version'),
        date: dmi('bios_date'),
        revision: dmi('bios_release'),
        extra: '',
        firmware_type: isUefi ? 'uefi' : 'bios',
        ...bios,
      };
    },
  },
  {
    table: 'cpu_time',
    *collect(system) {
      for (const [, core, times = ''] of (system.text('/proc/stat') ?? '').matchAll(/^cpu(\d+) (.+)$/gm)) {
        const values = times.trim().split(/\s+/).map(Number);
        yield { core: Number(core), ...Object.fromEntries(TIMES.map((name, index) => [name, values[index]])) };
      }
    },
  },
  {
    table: 'load_average',
    *collect(system) {
      const averages = system.word('/proc/loadavg')?.split(' ');
      if (averages === undefined) return;
      for (const [index, period] of LOAD_PERIODS.entries()) yield { period, average: averages[index] };
    },
  },
  {
    table: 'memory_info',
    *collect(system) {
      const info = parseColonLines(system.text('/proc/meminfo') ?? '');
      if (info.size === 0) return;
      const bytes = (key: string): number | undefined => {
        const kibibytes = parseInt(info.get(key) ?? '', 10);
        return Number.isNaN(kibibytes) ? undefined : kibibytes * 1024;
      };
      yield Object.fromEntries(Object.entries(MEMORY_KEYS).map(([column, key]) => [column, bytes(key)]));
    },
  },
  {
    table: 'uptime',
    *collect(system) {
      const word = system.word('/proc/uptime')?.split(' ')[0];
      if (word === undefined) return;
      const total = Math.floor(Number(word));
      yield {
        days: Math.floor(total / 86_400),
        hours: Math.floor(total / 3_600) % 24,
        minutes: Math.floor(total / 60) % 60,
        seconds: total % 60,
        total_seconds: total,
      };
    },
  },
];

/** The name that `uname -m` prints for Node's architecture. */
function machineName(nodeArch: string): string {
  const names: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686' };
  return names[nodeArch] ?? nodeArch;
}
