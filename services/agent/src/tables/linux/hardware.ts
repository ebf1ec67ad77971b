import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { parseAssignments } from './parse/etc.js';
import { type PciNames, parsePciIds } from './parse/pci-ids.js';

const PCI = '/sys/bus/pci/devices';
const USB = '/sys/bus/usb/devices';
const PCI_IDS = ['/usr/share/hwdata/pci.ids', '/usr/share/misc/pci.ids'] as const;
const CPUFREQ = '/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq';

/** Processors, devices and encrypted disks. */
export const HARDWARE_COLLECTORS: readonly Collector[] = [
  {
    table: 'cpu_info',
    collect: (system) => sockets(system),
  },
  {
    table: 'pci_devices',
    *collect(system, request) {
      const names = request.memo('pci.ids', () => pciNames(system));
      for (const slot of system.list(PCI)) yield pciRow(system, names, slot);
    },
  },
  {
    table: 'usb_devices',
    *collect(system) {
      // With a colon: an interface of a device.
      for (const name of system.list(USB)) if (!name.includes(':')) yield* usbRow(system, `${USB}/${name}`);
    },
  },
  {
    table: 'disk_encryption',
    *collect(system, request) {
      for (const device of blockDevices(system)) {
        const type = cipherOf(system, request, device.name, 0);
        const name = `/dev/${device.name.replaceAll('!', '/')}`;
        const encrypted = type !== undefined;
        yield {
          name,
          uuid: device.uuid,
          encrypted,
          type: type ?? '',
          encryption_status: encrypted ? 'encrypted' : 'not encrypted',
        };
      }
    },
  },
];

function* sockets(system: System): Iterable<TableRow> {
  const blocks = (system.text('/proc/cpuinfo') ?? '').split('\n\n').map(fieldsOf);
  const bySocket = new Map<string, ReadonlyMap<string, string>[]>();
  for (const cpu of blocks) {
    if (!cpu.has('processor')) continue;
    const id = cpu.get('physical id') ?? '0';
    bySocket.set(id, [...(bySocket.get(id) ?? []), cpu]);
  }
  const maxKhz = Number(system.word(CPUFREQ) ?? NaN);
  for (const [id, cpus] of bySocket) {
    const first = cpus[0] ?? new Map<string, string>();
    const cores = new Set(cpus.map((cpu) => cpu.get('core id') ?? `thread ${cpu.get('processor')}`));
    const mhz = Number(first.get('cpu MHz') ?? NaN);
    yield {
      device_id: `CPU${id}`,
      model: first.get('model name') ?? first.get('Model') ?? '',
      manufacturer: first.get('vendor_id') ?? first.get('CPU implementer') ?? '',
      // Win32_Processor: a central processor.
      processor_type: '3',
      number_of_cores: String(cores.size),
      logical_processors: cpus.length,
      address_width: /\b(lm|asimd)\b/.test(first.get('flags') ?? first.get('Features') ?? '') ? '64' : '32',
      current_clock_speed: Number.isNaN(mhz) ? undefined : Math.round(mhz),
      max_clock_speed: Number.isNaN(maxKhz) ? undefined : Math.round(maxKhz / 1_000),
      socket_designation: id,
    };
  }
}

function fieldsOf(block: string): ReadonlyMap<string, string> {
  return new Map(Array.from(block.matchAll(/^([^:\n]+?)\s*: ?(.*)$/gm), ([, key = '', value = '']) => [key, value]));
}

function pciNames(system: System): PciNames {
  const path = PCI_IDS.find((one) => system.exists(one));
  return parsePciIds(path === undefined ? '' : (system.text(path) ?? ''));
}

function pciRow(system: System, names: PciNames, slot: string): TableRow {
  const id = (file: string): string => (system.word(`${PCI}/${slot}/${file}`) ?? '').replace(/^0x/, '');
  const [vendor, model, subVendor, subModel, code] = [
    'vendor',
    'device',
    'subsystem_vendor',
    'subsystem_device',
    'class',
  ].map(id);
  const [major = '', minor = ''] = [code?.slice(0, 2), code?.slice(2, 4)];
  const written = (hex: string | undefined): string => (hex === undefined || hex === '' ? '' : `0x${hex}`);
  return {
    pci_slot: slot,
    driver: /^DRIVER=(.*)$/m.exec(system.text(`${PCI}/${slot}/uevent`) ?? '')?.[1] ?? '',
    pci_class: names.classes.get(major) ?? '',
    pci_class_id: written(major),
    pci_subclass: names.classes.get(major + minor) ?? '',
    pci_subclass_id: written(minor),
    vendor: names.devices.get(vendor ?? '') ?? '',
    vendor_id: written(vendor),
    model: names.devices.get(`${vendor} ${model}`) ?? '',
    model_id: written(model),
    subsystem_vendor: names.devices.get(subVendor ?? '') ?? '',
    subsystem_vendor_id: written(subVendor),
    subsystem_model: names.devices.get(`${vendor} ${model} ${subVendor} ${subModel}`) ?? '',
    subsystem_model_id: written(subModel),
  };
}

function* usbRow(system: System, base: string): Iterable<TableRow> {
  const event = parseAssignments(system.text(`${base}/uevent`) ?? '');
  const [address, port] = [event.get('BUSNUM'), event.get('DEVNUM')];
  if (address === undefined || port === undefined) return;
  const word = (name: string): string => system.word(`${base}/${name}`) ?? '';
  const [kind = '', subclass = '', protocol = ''] = (event.get('TYPE') ?? '').split('/');
  yield {
    ...{ usb_address: Number(address), usb_port: Number(port), class: kind, subclass, protocol },
    ...{
      vendor: word('manufacturer'),
      vendor_id: word('idVendor'),
      model: word('product'),
      model_id: word('idProduct'),
    },
    ...{ version: word('bcdDevice'), serial: word('serial'), removable: word('removable') === 'unknown' ? -1 : 1 },
  };
}

function* blockDevices(system: System): Iterable<{ name: string; uuid: string }> {
  for (const disk of system.list('/sys/block')) {
    yield { name: disk, uuid: uuidOf(system, `/sys/block/${disk}`) };
    for (const part of system.list(`/sys/block/${disk}`)) {
      const base = `/sys/block/${disk}/${part}`;
      if (system.exists(`${base}/partition`)) yield { name: part, uuid: uuidOf(system, base) };
    }
  }
}

function uuidOf(system: System, base: string): string {
  const properties = system.text(`/run/udev/data/b${system.word(`${base}/dev`) ?? ''}`) ?? '';
  return /^E:ID_FS_UUID=(.*)$/m.exec(properties)?.[1] ?? '';
}

/** Devices are stacked less deep. */
const MAX_STACK = 16;

/** How the device, or one that it is made of, is encrypted; `undefined` when it is not. device-mapper names it: `CRYPT-LUKS2-…`. */
function cipherOf(system: System, request: CollectRequest, name: string, depth: number): string | undefined {
  return request.memo(`cipher ${name}`, () => {
    const base = `/sys/block/${name}`;
    const own = /^CRYPT-([A-Z0-9]+)-/.exec(system.word(`${base}/dm/uuid`) ?? '')?.[1];
    if (own !== undefined || depth > MAX_STACK) return own;
    const below = system.list(`${base}/slaves`).map((slave) => cipherOf(system, request, slave, depth + 1));
    return below.find((type) => type !== undefined);
  });
}
