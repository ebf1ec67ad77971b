import { TextScanner } from './text-scanner.js';

/** In the order of the kernel's numbers, from 1 (include/net/tcp_states.h). */
export const TCP_STATES = [
  ...['established', 'syn_sent', 'syn_recv', 'fin_wait_1', 'fin_wait_2', 'time_wait'],
  ...['close', 'close_wait', 'last_ack', 'listen', 'closing'],
];
/** A connection that is not complete yet, of which the kernel keeps less. */
const NEW_SYN_RECV = 12;
const SYN_RECV = 3;

/**
 * Adds the sockets of whole lines of `/proc/net/tcp` or `tcp6` (the kernel's
 * Documentation/networking/proc_net_tcp.rst). Returns how many lines had one.
 */
export function countTcpStates(bytes: Buffer, counts: Float64Array): number {
  let sockets = 0;
  for (const text = new TextScanner(bytes); !text.done; text.nextLine()) {
    text.skip(3);
    const word = text.word();
    if (!/^[0-9A-F]{2}$/.test(word)) continue;
    const number = Number.parseInt(word, 16);
    const at = (number === NEW_SYN_RECV ? SYN_RECV : number) - 1;
    if (at < 0 || at >= counts.length) continue;
    counts[at] = (counts[at] as number) + 1;
    sockets += 1;
  }
  return sockets;
}

export interface SocketCounts {
  readonly inUse: number;
  readonly timeWait: number;
}

/**
 * Reads the line of TCP in `/proc/net/sockstat`: `TCP: inuse 754 orphan 0 tw 406 alloc 754 mem 129`; that of
 * `sockstat6` has only `inuse`.
 */
export function parseSockstat(bytes: Buffer | undefined): SocketCounts | undefined {
  const match = /^TCP6?: inuse (\d{1,9})(?: orphan \d+ tw (\d{1,9}))?/m.exec(bytes?.toString('latin1') ?? '');
  return match === null ? undefined : { inUse: Number(match[1]), timeWait: Number(match[2] ?? 0) };
}

/** `CurrEstab` in `/proc/net/snmp`, which has a line with names and one with values. */
export function parseEstablished(bytes: Buffer | undefined): number | undefined {
  const [names, values] = (bytes?.toString('latin1') ?? '').split('\n').filter((line) => line.startsWith('Tcp: '));
  const at = names?.split(' ').indexOf('CurrEstab') ?? -1;
  const value = values?.split(' ')[at];
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}
