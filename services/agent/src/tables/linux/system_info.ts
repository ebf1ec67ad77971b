import { arch } from 'node:os';
import type { Collector } from '../contract/collector.js';
import { parseCpuinfo } from './parse/cpuinfo.js';
import { parseColonLines } from './parse/proc.js';

const DMI = '/sys/class/dmi/id';

export const systemInfo: Collector = {
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
};

/** The name that `uname -m` prints for Node's architecture. */
export function machineName(nodeArch: string): string {
  const names: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686' };
  return names[nodeArch] ?? nodeArch;
}
