import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { readLocalFile } from './local-file.js';

/** Files with the machine id, in order of preference. Missing, empty and unreadable files are skipped. */
const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];
const HARDWARE_UUID_FILE = '/sys/class/dmi/id/product_uuid';

/** Sources of the instance id; a parameter so that tests can be other machines. */
export interface MachineSources {
  readFile(path: string): string | undefined;
  hostname(): string;
  macs(): readonly string[];
  /** The inode of a folder. */
  inode(folder: string): bigint;
}

/**
 * 16 bytes that identify the machine and the data directory on it. They are never stored: a clone of this machine has our
 * data directory too and must get another instance id. So a gateway can detect two machines with one key
 * (`duplicate_identity`). The hardware UUID is included where it can be read, because virtual machines of one template often
 * share their machine id. The directory's inode tells a copy on the same machine apart; it does not change when the machine
 * starts again, as device numbers do.
 */
export function machineInstance(dataDir: string, sources: MachineSources = thisMachine): Uint8Array {
  const machineId = MACHINE_ID_FILES.map((path) => sources.readFile(path)).find((id) => id !== undefined);
  const hardware = sources.readFile(HARDWARE_UUID_FILE);
  const known = [machineId, hardware].filter((part) => part !== undefined);
  const parts = known.length > 0 ? known : [sources.hostname(), ...sources.macs()];
  return createHash('sha256')
    .update(['muster instance', ...parts, String(sources.inode(dataDir))].join('\n'))
    .digest()
    .subarray(0, 16);
}

const thisMachine: MachineSources = {
  readFile(path) {
    const text = readLocalFile(path)?.trim();
    // systemd writes "uninitialized" into images that have not been booted yet.
    return text === '' || text === 'uninitialized' ? undefined : text;
  },
  hostname,
  inode: (folder) => statSync(folder, { bigint: true }).ino,
  macs() {
    const found = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    const macs = found.filter((address) => !address.internal).map((address) => address.mac);
    return [...new Set(macs)].filter((mac) => mac !== '00:00:00:00:00:00').sort();
  },
};
