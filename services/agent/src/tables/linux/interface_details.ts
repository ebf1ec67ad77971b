import type { TableRow } from '@muster/tables';
import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';

const BASE = '/sys/class/net';

const COUNTERS = {
  ipackets: 'rx_packets',
  opackets: 'tx_packets',
  ibytes: 'rx_bytes',
  obytes: 'tx_bytes',
  ierrors: 'rx_errors',
  oerrors: 'tx_errors',
  idrops: 'rx_dropped',
  odrops: 'tx_dropped',
  collisions: 'collisions',
} as const;

export const interfaceDetails: Collector = {
  table: 'interface_details',
  *collect(system) {
    for (const name of system.list(BASE)) {
      // The folder also contains plain files, such as those of the bonding driver.
      if (system.exists(`${BASE}/${name}/ifindex`)) yield readInterface(system, name);
    }
  },
};

function readInterface(system: System, name: string): TableRow {
  const base = `${BASE}/${name}`;
  const number = (file: string): number | undefined => {
    const word = system.word(`${base}/${file}`);
    return word === undefined ? undefined : Number(word);
  };
  const counters = Object.entries(COUNTERS).map(([column, file]) => [column, number(`statistics/${file}`)] as const);
  return {
    interface: name,
    mac: system.word(`${base}/address`),
    type: number('type'),
    mtu: number('mtu'),
    metric: 0,
    flags: number('flags'),
    last_change: -1,
    link_speed: number('speed'),
    pci_slot: pciSlot(system, base),
    ...Object.fromEntries(counters),
  };
}

function pciSlot(system: System, base: string): string | undefined {
  return /^PCI_SLOT_NAME=(.+)$/m.exec(system.text(`${base}/device/uevent`) ?? '')?.[1];
}
