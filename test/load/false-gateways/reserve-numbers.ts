import type { Broker } from '@muster/bus';
import type { AgentId, OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS, STREAMS } from '@muster/records';

/**
 * Lets the identities go on behind this number, as if so many agents had enrolled: a query service leaves out numbers that nobody can have.
 * The stream must be empty. A purge up to a sequence that was never used moves the next one (nats-server, `Compact` of a store).
 */
export async function reserveNumbers({ bus, streams }: Broker, highest: number): Promise<void> {
  const { name } = STREAMS.identities;
  await streams.ensure([STREAMS.identities]);
  const purge = Buffer.from(JSON.stringify({ seq: highest + 1 }));
  const purged = await bus.request(`$JS.API.STREAM.PURGE.${name}`, purge, { timeoutMs: 10_000 });
  if (purged.kind !== 'reply') throw new Error(`the stream of identities cannot be moved: ${purged.kind}`);
  // Labels of nobody: readers of the stream see only what is there.
  const subject = STREAM_SUBJECTS.labels('acme' as OrgId, 'a'.repeat(24) as AgentId);
  const appended = await streams.append(subject, encodeRecord({ labels: {}, by: 'bench', atMs: Date.now() }));
  if (appended.kind !== 'appended' || appended.seq <= highest)
    throw new Error(`the identities do not go on behind ${highest}: ${JSON.stringify(appended)}`);
}
