import type { Entry, StreamStore } from '@muster/bus';
import type { Directory } from '@muster/directory';
import type { CommandId, OrgId } from '@muster/protocol';
import { decodeJournalEntry, STREAM_SUBJECTS, STREAMS, type CommandRecord } from '@muster/records';
import { parseDurationMs } from '@muster/runtime';
import { isoTime } from '../http/json-members.js';
import { CommandSteps } from './command-steps.js';
import type { EventSource, SourceEvent } from './event-sources.js';

export interface IsolationParts {
  readonly streams: StreamStore;
  readonly directory: Pick<Directory, 'byNum'>;
}

type Change = 'isolation.begun' | 'isolation.ended';

/**
 * Endpoints that commands have isolated and released, one event for each. An isolation that ends on the endpoint, when its time is over, is
 * reported to nobody: `until` says when that is.
 */
export function isolationSources(parts: IsolationParts): readonly EventSource[] {
  return (['isolation.begun', 'isolation.ended'] as const).map((type) => {
    const steps = new CommandSteps(parts.streams);
    return {
      type,
      stream: STREAMS.commands.name,
      subject: STREAM_SUBJECTS.allCommands,
      read: (entry) => readChanges(parts, { steps, type, entry }),
    };
  });
}

async function readChanges(
  { streams, directory }: IsolationParts,
  { steps, type, entry }: { readonly steps: CommandSteps; readonly type: Change; readonly entry: Entry },
): Promise<readonly SourceEvent[]> {
  const applied = await steps.take(entry);
  const succeeded = applied?.step.changes.filter(({ outcome }) => outcome.state === 'succeeded') ?? [];
  if (applied === undefined || succeeded.length === 0 || applied.fold.record.dryRun) return [];
  const { record, nums } = applied.fold;
  if ((await changeOf(streams, record)) !== type) return [];
  return succeeded.flatMap(({ outcome, targets }) =>
    targets.map((target): SourceEvent => {
      const num = nums[target - 1] ?? 0;
      const endpoint = directory.byNum(num);
      const data = {
        ...{ agentId: endpoint?.agentId ?? null, host: endpoint?.facts.host ?? null, command: record.id },
        ...{ by: { id: record.operator.id, name: record.operator.name }, reason: record.reason ?? null },
        ...untilOf(type, record, outcome.atMs),
      };
      return { atMs: outcome.atMs, data, part: String(num), ...(endpoint === undefined ? {} : { endpoint }) };
    }),
  );
}

/** What a command does to the isolation of its endpoints. */
async function changeOf(streams: StreamStore, { org, action, undoes }: CommandRecord): Promise<Change | undefined> {
  if (action === 'host.isolate') return 'isolation.begun';
  if (action === 'host.release') return 'isolation.ended';
  if (undoes === undefined) return undefined;
  const undone = await actionOf(streams, org, undoes);
  if (undone === 'host.isolate') return 'isolation.ended';
  return undone === 'host.release' ? 'isolation.begun' : undefined;
}

async function actionOf(streams: StreamStore, org: OrgId, id: CommandId): Promise<string | undefined> {
  const subject = STREAM_SUBJECTS.command(org, id);
  for await (const { data } of streams.read(STREAMS.commands.name, { subject, batch: 1 })) {
    const entry = decodeJournalEntry(data);
    return entry.t === 'submitted' ? entry.record.action : undefined;
  }
  return undefined;
}

/** When it ends by itself, as the endpoint counts. */
function untilOf(type: Change, { params }: CommandRecord, atMs: number): { until?: string } {
  const given = (params as Readonly<Record<string, unknown>>)['releaseAfter'];
  const releaseAfter = typeof given === 'string' ? parseDurationMs(given) : given;
  return type === 'isolation.begun' && typeof releaseAfter === 'number' ? { until: isoTime(atMs + releaseAfter) } : {};
}
