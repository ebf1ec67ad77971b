import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';

/** Where a machine's own name may be found, the most trustworthy first. Files that are absent, empty or closed to us are skipped. */
const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];
const HARDWARE_UUID_FILE = '/sys/class/dmi/id/product_uuid';

/** What the instance is made of; a parameter so that tests can be other machines. */
export interface MachineSources {
  readFile(path: string): string | undefined;
  hostname(): string;
  macs(): readonly string[];
}

/**
 * 16 bytes that name the machine this process runs on. Never stored: an image cloned with our data directory must come up with another
 * instance, so that two machines with one key are told apart (`duplicate_identity`). The hardware's uuid is mixed in where it can be read,
 * because virtual machines made from one template often share their machine-id.
 */
export function machineInstance(sources: MachineSources = thisMachine): Uint8Array {
  const machineId = MACHINE_ID_FILES.map((path) => sources.readFile(path)).find((id) => id !== undefined);
  const hardware = sources.readFile(HARDWARE_UUID_FILE);
  const known = [machineId, hardware].filter((part) => part !== undefined);
  const parts = known.length > 0 ? known : [sources.hostname(), ...sources.macs()];
  return createHash('sha256')
    .update(['muster instance', ...parts].join('\n'))
    .digest()
    .subarray(0, 16);
}

const thisMachine: MachineSources = {
  readFile(path) {
    try {
      const text = readFileSync(path, 'utf8').trim();
      // systemd writes this word into images that have not been booted yet.
      return text === '' || text === 'uninitialized' ? undefined : text;
    } catch {
      return undefined;
    }
  },
  hostname,
  macs() {
    const found = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    const macs = found.filter((address) => !address.internal).map((address) => address.mac);
    return [...new Set(macs)].filter((mac) => mac !== '00:00:00:00:00:00').sort();
  },
};
