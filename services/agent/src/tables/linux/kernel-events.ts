import { type CollectRequest, type TableRow, TableUnavailable } from '@muster/tables';
import {
  CMDLINE_BYTES,
  type EventKind,
  type EventRecord,
  type MissedEvents,
  parseRecords,
  type RecordedEvents,
  type SeenProcess,
} from '../../events/contract/recorded-events.js';
import type { Collector } from '../contract/system.js';
import { formatIpv6 } from './parse/net.js';

type Exec = Extract<EventRecord, { t: 'exec' }>;
type SocketEvent = Extract<EventRecord, { t: 'socket' }>;
type Result = Extract<EventRecord, { t: 'result' }>;
type Recording = Exclude<RecordedEvents, { readonly fault: string }>;

interface History {
  readonly recording: Recording;
  readonly execs: readonly Exec[];
  readonly sockets: readonly SocketEvent[];
  readonly seen: ReadonlyMap<number, SeenProcess>;
  readonly exits: ReadonlyMap<number, number>;
  readonly results: ReadonlyMap<number, Result>;
}

/** What the running agent has recorded of the kernel's events, until the statement began. */
export function kernelEvents(recorded: () => RecordedEvents | undefined): readonly Collector[] {
  return [
    {
      table: 'process_events',
      *collect(_system, request) {
        const history = historyOf('process', recorded(), request);
        for (const exec of history.execs) {
          request.checkpoint();
          const row = processRow(exec, history);
          if (row['overflows'] !== '' && request.uses('cmdline'))
            request.warn('cut', `arguments of process ${exec.pid}`);
          yield row;
        }
      },
    },
    {
      table: 'socket_events',
      *collect(_system, request) {
        const history = historyOf('socket', recorded(), request);
        for (const event of history.sockets) {
          request.checkpoint();
          yield socketRow(event, history);
        }
      },
    },
  ];
}

/** @throws TableUnavailable where the agent does not record the kind. */
function historyOf(kind: EventKind, recorded: RecordedEvents | undefined, request: CollectRequest): History {
  const table = `${kind}_events`;
  if (recorded === undefined)
    throw new TableUnavailable(
      `${table}: this endpoint records no events (its agent is not told to: MUSTER_AGENT_EVENTS)`,
    );
  if (recorded.fault !== undefined) throw new TableUnavailable(`${table}: ${recorded.fault}`);
  if (!recorded.kinds.includes(kind))
    throw new TableUnavailable(
      `${table}: this endpoint records no events of this kind (MUSTER_AGENT_EVENTS: ${recorded.kinds.join(',')})`,
    );
  warnOfMissed(recorded, request);
  return request.memo('kernel_events', () => arrange(recorded));
}

function arrange(recording: Recording): History {
  const oldest = recording.now - recording.keep;
  const execs: Exec[] = [];
  const sockets: SocketEvent[] = [];
  const seen = new Map<number, SeenProcess>();
  const exits = new Map<number, number>();
  const results = new Map<number, Result>();
  for (const record of parseRecords(recording.chunks)) {
    switch (record.t) {
      case 'exec':
        if (record.at >= oldest) execs.push(record);
        break;
      case 'socket':
        if (record.at >= oldest) sockets.push(record);
        break;
      case 'seen':
        seen.set(record.n, record);
        break;
      case 'unseen':
        seen.delete(record.n);
        break;
      case 'exit':
        exits.set(record.n, record.at);
        break;
      case 'result':
        results.set(record.n, record);
    }
  }
  return { recording, execs, sockets, seen, exits, results };
}

function warnOfMissed({ missed, since, now, keep, bootMs }: Recording, request: CollectRequest): void {
  const reasons: Readonly<Record<keyof MissedEvents, string>> = {
    overrun: 'came faster than they were read, and were overwritten',
    evicted: 'had to go for newer ones before their time (MUSTER_AGENT_EVENTS_BYTES)',
    damaged: 'were not understood',
  };
  const parts = (Object.keys(reasons) as (keyof MissedEvents)[])
    .filter((why) => missed[why] > 0)
    .map((why) => `${missed[why]} ${reasons[why]}`);
  if (parts.length > 0)
    request.warn('missed', `of the last ${Math.round(keep / 60e6)} minutes events are missing: ${parts.join('; ')}`);
  if (now - since < keep)
    request.warn('missed', `recording began only at ${new Date(bootMs + since / 1_000).toISOString()}`);
}

function processRow({ n, at, pid, path }: Exec, { recording, seen, exits }: History): TableRow {
  const found = seen.get(n);
  const exit = exits.get(n);
  const isCut = (found?.cmdlineSize ?? 0) > CMDLINE_BYTES;
  return {
    ...timeOf(at, recording),
    ...{ eid: eidOf(n, recording), pid, path, syscall: 'execve' },
    ...{ cmdline: found?.cmdline, cmdline_size: found?.cmdlineSize, overflows: isCut ? 'cmdline' : '' },
    ...{ cwd: found?.cwd, parent: found?.parent, auid: found?.auid },
    ...{ uid: found?.uids?.[0], euid: found?.uids?.[1], suid: found?.uids?.[2], fsuid: found?.uids?.[3] },
    ...{ gid: found?.gids?.[0], egid: found?.gids?.[1], sgid: found?.gids?.[2], fsgid: found?.gids?.[3] },
    exit_time: exit === undefined ? undefined : timeOf(exit, recording).time,
  };
}

function socketRow(event: SocketEvent, { recording, seen, results }: History): TableRow {
  const { n, at, action, thread, from, to, family, protocol } = event;
  const found = seen.get(n);
  const result = results.get(n);
  const status = action === 'connect' ? statusOf(result) : 'succeeded';
  return {
    ...timeOf(at, recording),
    ...{ eid: eidOf(n, recording), action, pid: found?.pid ?? thread, path: found?.exe, auid: found?.auid },
    ...{ status, success: status === 'in_progress' ? undefined : status === 'succeeded', family, protocol },
    ...{ local_address: address(event.local), local_port: event.localPort === 0 ? result?.localPort : event.localPort },
    ...{ remote_address: address(event.remote), remote_port: event.remotePort },
    ...{ old_state: STATES[from], new_state: STATES[to] },
  };
}

function statusOf(result: Result | undefined): string {
  if (result === undefined) return 'in_progress';
  return result.ok ? 'succeeded' : 'failed';
}

function timeOf(at: number, { bootMs }: Recording): { readonly time: number; readonly uptime: number } {
  return { time: Math.floor((bootMs + at / 1_000) / 1_000), uptime: Math.floor(at / 1e6) };
}

/** The same in every answer of one agent. */
function eidOf(n: number, { firstSince }: Recording): string {
  return `${firstSince}-${String(n).padStart(10, '0')}`;
}

/** In the order of bytes on the network. */
function address(hex: string): string {
  const bytes = [...Buffer.from(hex, 'hex')];
  return bytes.length === 4 ? bytes.join('.') : formatIpv6(bytes);
}

/** By the kernel's numbers (include/net/tcp_states.h). */
const STATES: readonly (string | undefined)[] = [
  undefined,
  ...['ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT1', 'FIN_WAIT2', 'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT', 'LAST_ACK'],
  ...['LISTEN', 'CLOSING', 'NEW_SYN_RECV'],
];
