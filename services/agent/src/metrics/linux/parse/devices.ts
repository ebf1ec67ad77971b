import type { Candidate } from '../../contract/instance-selection.js';
import type { TextScanner } from './text-scanner.js';

/** More lines than this are not read. */
const MAX_LINES = 10_000;

/**
 * Reads `/proc/diskstats` (the kernel's Documentation/admin-guide/iostats.rst), partitions included. The values are in
 * the order of the catalogue: sectors of 512 bytes read and written, operations, the milliseconds that they took, the
 * milliseconds in which the disk was busy.
 */
export function parseDiskstats(text: TextScanner): Candidate[] {
  const found: Candidate[] = [];
  for (; !text.done && found.length < MAX_LINES; text.nextLine()) {
    text.skip(2);
    const key = text.word();
    const reads = text.number();
    text.skip(1);
    const sectorsRead = text.number();
    const readMs = text.number();
    const writes = text.number();
    text.skip(1);
    const sectorsWritten = text.number();
    const writeMs = text.number();
    text.skip(1);
    const busyMs = text.number();
    if (key === '' || Number.isNaN(busyMs)) continue;
    const values = [sectorsRead, sectorsWritten, reads, writes, readMs, writeMs, busyMs];
    found.push({ key, values, activity: sectorsRead + sectorsWritten });
  }
  return found;
}

/**
 * Reads `/proc/net/dev` (proc_pid_net(5)). The values are in the order of the catalogue: bytes, packets, errors and
 * drops, received and transmitted of each. A counter below zero or with a letter is no counter.
 */
export function parseNetDev(text: TextScanner): Candidate[] {
  const found: Candidate[] = [];
  for (; !text.done && found.length < MAX_LINES; text.nextLine()) {
    // The two lines of the head have bars where the others have a colon.
    const key = text.until(':');
    if (key === undefined || key === '') continue;
    const [bytesIn, packetsIn, errorsIn, dropsIn] = four(text);
    text.skip(4);
    const [bytesOut, packetsOut, errorsOut, dropsOut] = four(text);
    const values = [bytesIn, bytesOut, packetsIn, packetsOut, errorsIn, errorsOut, dropsIn, dropsOut];
    if (values.some((value) => Number.isNaN(value))) continue;
    found.push({ key, values, activity: bytesIn + bytesOut });
  }
  return found;
}

function four(text: TextScanner): [number, number, number, number] {
  return [text.number(), text.number(), text.number(), text.number()];
}
