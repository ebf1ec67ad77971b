import { hostMetric } from '@muster/host-metrics';
import { LIMITS } from '@muster/protocol';
import { readableName } from '../contract/instance-names.js';
import type { ListedProcess } from '../program/program-platform.js';
import { linesOf } from './sections.js';

const status = (value: string): number => hostMetric('system.process.count', { 'process.status': value });
const SLEEPING = status('sleeping');
/** By the first letter of the state (ps(1)). I and S sleep, for long and for short. */
const STATUS: Readonly<Record<string, number>> = {
  R: status('running'),
  U: status('blocked'),
  T: status('stopped'),
  Z: status('defunct'),
};
/** Id, state, KiB, minutes and seconds of processor time, the moment at which it started, user, path of the program. */
const PROCESS =
  /^\s*(\d{1,9})\s+([A-Z])\S*\s+(\d{1,12})\s+(\d{1,9}):(\d{2}\.\d{2})\s+(\w{3}\s+\w{3}\s+\d{1,2}\s+[\d:]{8}\s+\d{4})\s+(\S+)\s+(\S.*)$/;

/** Reads lines of `ps -ax`. */
export function parseProcesses(text: string, host: Float64Array): ListedProcess[] {
  const seen: ListedProcess[] = [];
  const counts = new Map<number, number>([SLEEPING, ...Object.values(STATUS)].map((series) => [series, 0]));
  for (const line of linesOf(text)) {
    const match = PROCESS.exec(line);
    if (match === null) continue;
    const [, pid, state = '', kib, minutes, seconds, start = '', user = '', path = ''] = match;
    const series = STATUS[state] ?? SLEEPING;
    counts.set(series, (counts.get(series) ?? 0) + 1);
    seen.push({
      pid: Number(pid),
      name: path.slice(path.lastIndexOf('/') + 1),
      start,
      cpuMs: (Number(minutes) * 60 + Number(seconds)) * 1_000,
      residentBytes: Number(kib) * 1_024,
      user: readableName(user, LIMITS.processNameBytes),
    });
  }
  if (seen.length > 0) for (const [series, processes] of counts) host[series] = processes;
  return seen;
}

/** By the names of `netstat` (tcp(4)). */
const TCP_STATES = new Map(
  Object.entries({
    CLOSED: 'close',
    LISTEN: 'listen',
    SYN_SENT: 'syn_sent',
    SYN_RCVD: 'syn_recv',
    ESTABLISHED: 'established',
    CLOSE_WAIT: 'close_wait',
    FIN_WAIT_1: 'fin_wait_1',
    CLOSING: 'closing',
    LAST_ACK: 'last_ack',
    FIN_WAIT_2: 'fin_wait_2',
    TIME_WAIT: 'time_wait',
  }).map(([name, state]) => [
    name,
    hostMetric('system.network.connection.count', { 'network.connection.state': state }),
  ]),
);

/** Reads how many connections are in which state, one a line. */
export function parseConnections(text: string, host: Float64Array): void {
  for (const series of TCP_STATES.values()) host[series] = 0;
  for (const line of linesOf(text)) {
    const [, name = '', connections] = /^([A-Z_0-9]{1,20}) (\d{1,9})$/.exec(line) ?? [];
    const series = TCP_STATES.get(name);
    if (series !== undefined) host[series] = Number(connections);
  }
}
