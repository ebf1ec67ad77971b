import { hostMetric } from '@muster/host-metrics';
import type { ListedProcess } from '../program/program-platform.js';
import type { AnswerRow } from './windows-answer.js';

const RUNNING = hostMetric('system.process.count', { 'process.status': 'running' });
const THREADS = hostMetric('system.thread.count');
/** Units of 100 ns. */
const PER_MS = 10_000;
/** By the number of System.Net.NetworkInformation.TcpState. 12 is a connection that is being deleted. */
const TCP_STATES = [
  ...['', 'close', 'listen', 'syn_sent', 'syn_recv', 'established', 'fin_wait_1', 'fin_wait_2'],
  ...['close_wait', 'closing', 'last_ack', 'time_wait', 'close'],
].map((state) =>
  state === '' ? undefined : hostMetric('system.network.connection.count', { 'network.connection.state': state }),
);

/**
 * Reads rows of Win32_PerfRawData_PerfProc_Process. Processes of Windows have no state: they are all running, as its
 * Task Manager says. The raw value of `ElapsedTime` is the moment at which a process started.
 */
export function readProcesses(rows: readonly AnswerRow[], host: Float64Array): ListedProcess[] {
  const seen: ListedProcess[] = [];
  let processes = 0;
  let threads = 0;
  for (const row of rows) {
    const pid = row.number(1);
    const [cpu, start, residentBytes, count] = [row.number(2), row.number(3), row.number(4), row.number(5)];
    // The time in which processors have nothing to do, and the sum of all, are process 0.
    if (!(pid > 0)) continue;
    processes += 1;
    threads += count;
    // The second of a name is `name#1`, which another one is when the first has ended.
    const name = row.text(0).replace(/#\d{1,6}$/, '');
    if (cpu >= 0 && residentBytes >= 0) seen.push({ pid, name, start, cpuMs: cpu / PER_MS, residentBytes });
  }
  if (processes === 0) return seen;
  host[RUNNING] = processes;
  host[THREADS] = threads;
  return seen;
}

/** Reads pairs of a state and how many connections are in it. */
export function readConnections(rows: readonly AnswerRow[], host: Float64Array): void {
  for (const series of TCP_STATES) if (series !== undefined) host[series] = 0;
  for (const row of rows) {
    const series = TCP_STATES[row.number(0)];
    if (series !== undefined) host[series] = (host[series] as number) + row.number(1);
  }
}
