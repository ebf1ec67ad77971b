import { closeSync, openSync, readSync } from 'node:fs';
import { hostMetric } from '@muster/host-metrics';
import { countTcpStates, parseEstablished, parseSockstat, TCP_STATES } from './parse/tcp.js';
import { readOnce } from './read-once.js';

const SERIES = TCP_STATES.map((state) =>
  hostMetric('system.network.connection.count', { 'network.connection.state': state }),
);
const ESTABLISHED = TCP_STATES.indexOf('established');
const TIME_WAIT = TCP_STATES.indexOf('time_wait');
/** Reading one costs the kernel and this process some two microseconds together. */
const MAX_SOCKETS = 5_000;
const CHUNK_BYTES = 64 * 1024;
const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);

/**
 * Counts TCP connections by state. Where there are many it only takes what the kernel has counted itself: those that
 * are established, which then include those in `close_wait`, and those in `time_wait`.
 */
export function readTcpStates(host: Float64Array, root = ''): void {
  const v4 = parseSockstat(readOnce(`${root}/proc/net/sockstat`));
  const v6 = parseSockstat(readOnce(`${root}/proc/net/sockstat6`));
  if (v4 === undefined) return;
  if (v4.inUse + v4.timeWait + (v6?.inUse ?? 0) > MAX_SOCKETS) {
    host[SERIES[ESTABLISHED] as number] = parseEstablished(readOnce(`${root}/proc/net/snmp`)) ?? Number.NaN;
    host[SERIES[TIME_WAIT] as number] = v4.timeWait;
    return;
  }
  const counts = new Float64Array(TCP_STATES.length);
  const isRead = countFile(`${root}/proc/net/tcp`, counts);
  countFile(`${root}/proc/net/tcp6`, counts);
  if (isRead) for (const [i, series] of SERIES.entries()) host[series] = counts[i] as number;
}

function countFile(path: string, counts: Float64Array): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return false;
  }
  try {
    // What is left of the last line of a chunk is the start of the next one.
    for (let left = 0, sockets = 0; sockets < 2 * MAX_SOCKETS;) {
      const read = readSync(fd, chunk, left, chunk.length - left, null);
      if (read === 0) return true;
      const bytes = chunk.subarray(0, left + read);
      const end = bytes.lastIndexOf(10) + 1;
      sockets += countTcpStates(bytes.subarray(0, end), counts);
      left = end === 0 && bytes.length === chunk.length ? 0 : bytes.length - end;
      bytes.copyWithin(0, bytes.length - left);
    }
    return true;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}
