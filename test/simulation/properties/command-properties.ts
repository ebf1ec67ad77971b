import { isTerminal, type CommandId } from '@muster/protocol';
import { CommandFold, decodeJournalEntry, STREAM_SUBJECTS, STREAMS } from '@muster/records';
import type { NatsServer } from '../brokers/nats-server.js';
import type { Ordered } from '../nodes/caller.js';
import type { Endpoint } from '../nodes/endpoint.js';
import { ORG } from '../nodes/identities.js';
import type { FaultLog } from './fault-log.js';

interface CommandFacts {
  readonly endpoints: readonly Endpoint[];
  readonly nats: NatsServer;
  readonly faults: FaultLog;
}

/** Who is connected for so long before an order expires gets it, when no fault is less than `AFTER_FAULT_MS` ago. */
const OFFERED_MS = 4_000;
const AFTER_FAULT_MS = 4_000;
/** Endpoints repeat a report within 40 s: for so long they are listened to before they count as silent. */
const HEARD_MS = 35_000;
/** Clocks of services that are no farther apart agree. */
const CLOCKS_AGREE_MS = 2_500;

/** The promises of commands, each in words and in code. */
export const COMMAND_PROPERTIES = {
  'what was accepted is in the journal': ({ id }: Ordered, { nats }: CommandFacts) =>
    id !== undefined && foldOf(nats, id) === undefined ? 'the journal does not have it' : undefined,

  'an order runs at most once on an endpoint': ({ key }: Ordered, { endpoints, nats }: CommandFacts) => {
    const ids = idsOf(nats, key);
    for (const { identity, commands } of endpoints) {
      const runs = [...commands.runs].filter(([run]) => ids.has(run.split('/')[0] ?? ''));
      const times = runs.reduce((sum, [, began]) => sum + began.length, 0);
      if (times > 1) return `${runs.map(([run]) => run).join(', ')} began ${times} times on e${identity.num}`;
    }
    return undefined;
  },

  'a rollout does not go beyond what is released': ({ id }: Ordered, { endpoints, nats }: CommandFacts) => {
    if (id === undefined) return undefined;
    for (const { identity, commands } of endpoints) {
      for (const [run, began] of commands.runs) {
        const [command, number] = run.split('/');
        const atMs = began[0] ?? 0;
        const released = command === id ? (foldOf(nats, id, atMs)?.released ?? 0) : undefined;
        if (released !== undefined && Number(number) > released)
          return `${run} began on e${identity.num} when ${released} were released`;
      }
    }
    return undefined;
  },

  'nothing begins that nobody approved': ({ id, needsApproval }: Ordered, { endpoints, nats }: CommandFacts) => {
    if (id === undefined || !needsApproval) return undefined;
    for (const { identity, commands } of endpoints) {
      for (const [run, [atMs = 0]] of commands.runs) {
        if (run.split('/')[0] === id && foldOf(nats, id, atMs)?.signature === undefined)
          return `${run} began on e${identity.num} before it was approved`;
      }
    }
    return undefined;
  },

  'an approval that was told is in the journal': ({ id, isApproved }: Ordered, { nats }: CommandFacts) =>
    id !== undefined && isApproved && foldOf(nats, id)?.signature === undefined
      ? 'the journal does not have it'
      : undefined,

  'who is there before it expires gets it': ({ id, isRollout }: Ordered, { endpoints, nats, faults }: CommandFacts) => {
    const fold = id === undefined || isRollout ? undefined : foldOf(nats, id);
    if (id === undefined || fold === undefined || fold.cancel !== undefined) return undefined;
    const { expiresAtMs, submittedAtMs } = fold.record;
    const fromMs = expiresAtMs - OFFERED_MS;
    const signedAtMs = signedAt(nats, id) ?? submittedAtMs;
    if (Math.max(submittedAtMs, signedAtMs) > fromMs || faults.touch(fromMs - AFTER_FAULT_MS, expiresAtMs))
      return undefined;
    for (const [index, num] of fold.nums.entries()) {
      const endpoint = endpoints.find(({ identity }) => identity.num === num);
      const isThere = endpoint?.readySinceMs !== undefined && endpoint.readySinceMs < fromMs - endpoint.slowestMs;
      if (isThere && isTerminal(fold.state(index + 1)) && endpoint.commands.outcome(id, index + 1) === undefined)
        return `e${num} was there and never got it: ${fold.state(index + 1)}`;
    }
    return undefined;
  },

  'nothing expires before its time, whatever the clocks of services say': ({ id }: Ordered, { nats }: CommandFacts) => {
    const { expiresAtMs } = (id === undefined ? undefined : foldOf(nats, id))?.record ?? {};
    if (id === undefined || expiresAtMs === undefined) return undefined;
    // By the times at which NATS kept what it has: its clock is right.
    const early = [...(foldOf(nats, id, expiresAtMs - CLOCKS_AGREE_MS)?.inState('expired') ?? [])];
    return early.length > 0 ? `targets ${early.join(', ')} expired before ${expiresAtMs}` : undefined;
  },

  'nobody is called silent whom nobody heard': ({ id }: Ordered, { nats, faults }: CommandFacts) => {
    const fold = id === undefined ? undefined : foldOf(nats, id);
    for (const target of fold?.inState('timed_out') ?? []) {
      const { code, atMs = 0 } = fold?.outcome(target) ?? {};
      if (code !== 'no_report') continue;
      if (faults.touch(atMs - HEARD_MS, atMs, (struck) => struck === 'nats'))
        return `target ${target} has timed out less than ${HEARD_MS} ms after nats was away`;
    }
    return undefined;
  },

  'an accepted command ends': ({ id }: Ordered, { nats }: CommandFacts) => {
    const fold = id === undefined ? undefined : foldOf(nats, id);
    if (fold === undefined || fold.status === 'ended') return undefined;
    const open = Object.entries(fold.ledger).filter(([state, count]) => count > 0 && state !== 'targeted');
    return `it has not: ${open.map(([state, count]) => `${count} ${state}`).join(', ')}`;
  },

  'the journal says what the endpoint did': ({ id }: Ordered, { endpoints, nats }: CommandFacts) => {
    const fold = id === undefined ? undefined : foldOf(nats, id);
    if (id === undefined || fold === undefined) return undefined;
    for (const [index, num] of fold.nums.entries()) {
      const target = index + 1;
      const told = fold.state(target);
      const did = endpoints.find(({ identity }) => identity.num === num)?.commands.outcome(id, target);
      if (told === 'succeeded' && did !== 'succeeded')
        return `e${num} is told as succeeded, and it ${did ?? 'never began'}`;
      const isTold = told === did || fold.late(target)?.state === did;
      if (did !== undefined && isTerminal(told) && !isTold) return `e${num} ${did}, and is told as ${told}`;
    }
    return undefined;
  },
} as const satisfies Record<string, (ordered: Ordered, facts: CommandFacts) => string | undefined>;

/** The commands that one key made. */
function idsOf(nats: NatsServer, key: string): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { data } of nats.store.stream(STREAMS.commands.name).entries) {
    const entry = decodeJournalEntry(data);
    if (entry.t === 'submitted' && entry.record.requestKey === key) ids.add(entry.record.id);
  }
  return ids;
}

/** When its approval was kept. */
function signedAt(nats: NatsServer, id: CommandId): number | undefined {
  const subject = STREAM_SUBJECTS.command(ORG, id);
  const entries = nats.store.stream(STREAMS.commands.name).entries.filter((entry) => entry.subject === subject);
  return entries.find(({ data }) => decodeJournalEntry(data).t === 'signed')?.timestampMs;
}

function foldOf(nats: NatsServer, id: CommandId, untilMs = Number.POSITIVE_INFINITY): CommandFold | undefined {
  const subject = STREAM_SUBJECTS.command(ORG, id);
  let fold: CommandFold | undefined;
  for (const entry of nats.store.stream(STREAMS.commands.name).entries) {
    if (entry.subject !== subject || entry.timestampMs > untilMs) continue;
    const read = decodeJournalEntry(entry.data);
    if (read.t === 'submitted') fold ??= new CommandFold(read.record);
    fold?.apply(read);
  }
  return fold;
}
