import type { StreamStore } from '@muster/bus';
import { activeModeOverride, type DirectoryWriter, type Endpoint } from '@muster/directory';
import { AppError } from '@muster/protocol';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, type ModeOverrideRecord } from '@muster/records';
import { inBatches } from './in-batches.js';

export type OrderResult =
  { readonly kind: 'changed' | 'unchanged' } | { readonly kind: 'failed'; readonly error: AppError };

/** Keeps what operators order about agents' channels, where that says anything new. The last word wins. */
export class ModeOrders {
  readonly #streams: Pick<StreamStore, 'last'>;
  readonly #writer: Pick<DirectoryWriter, 'overrideMode'>;

  constructor({
    streams,
    writer,
  }: {
    readonly streams: Pick<StreamStore, 'last'>;
    readonly writer: Pick<DirectoryWriter, 'overrideMode'>;
  }) {
    this.#streams = streams;
    this.#writer = writer;
  }

  giveAll(endpoints: Iterable<Endpoint>, order: ModeOverrideRecord): AsyncGenerator<OrderResult> {
    return inBatches(endpoints, (endpoint) => this.#give(endpoint, order));
  }

  async #give(endpoint: Endpoint, order: ModeOverrideRecord): Promise<OrderResult> {
    try {
      // What the view shows may be a moment old: an order that came after it must not be left standing.
      if (saysTheSame(endpoint.modeOverride, order) && saysTheSame(await this.#newest(endpoint), order)) {
        return { kind: 'unchanged' };
      }
      const result = await this.#writer.overrideMode(endpoint.org, endpoint.agentId, order);
      if (result.kind === 'unavailable') throw result.cause;
      return { kind: 'changed' };
    } catch (cause) {
      const error = new AppError('broker_unavailable', 'modes cannot be kept now; try again', { cause });
      return { kind: 'failed', error };
    }
  }

  async #newest({ org, agentId }: Endpoint): Promise<ModeOverrideRecord | undefined> {
    const entry = await this.#streams.last(STREAMS.identities.name, STREAM_SUBJECTS.mode(org, agentId));
    return entry === undefined ? undefined : decodeRecord<ModeOverrideRecord>(entry.data);
  }
}

/** A lease is new each time: it ends later than the one before. */
function saysTheSame(before: ModeOverrideRecord | undefined, order: ModeOverrideRecord): boolean {
  if (order.untilMs !== undefined) return false;
  const standing = activeModeOverride(before, order.atMs);
  if (standing === undefined) return order.mode === 'default';
  return standing.mode === order.mode && standing.intervalMs === order.intervalMs && standing.untilMs === undefined;
}
