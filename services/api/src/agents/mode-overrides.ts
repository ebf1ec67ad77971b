import type { StreamStore } from '@muster/bus';
import { activeModeOverride, type DirectoryWriter, type Endpoint } from '@muster/directory';
import type { AppError } from '@muster/protocol';
import { writeFailure } from '@muster/service-base';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, type ModeOverrideRecord } from '@muster/records';
import { inBatches } from './in-batches.js';

export type OverrideResult =
  { readonly kind: 'changed' | 'unchanged' } | { readonly kind: 'failed'; readonly error: AppError };

/** Keeps operators' mode overrides where they change anything. The last write wins. */
export class ModeOverrides {
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

  setAll(endpoints: Iterable<Endpoint>, override: ModeOverrideRecord): AsyncGenerator<OverrideResult> {
    return inBatches(endpoints, (endpoint) => this.#set(endpoint, override));
  }

  async #set(endpoint: Endpoint, override: ModeOverrideRecord): Promise<OverrideResult> {
    try {
      // The view may lag: the newest record decides.
      if (isSame(endpoint.modeOverride, override) && isSame(await this.#newest(endpoint), override)) {
        return { kind: 'unchanged' };
      }
      const result = await this.#writer.overrideMode(endpoint.org, endpoint.agentId, override);
      if (result.kind === 'unavailable') throw result.cause;
      return { kind: 'changed' };
    } catch (cause) {
      const error = writeFailure('modes cannot be kept now; try again', cause);
      return { kind: 'failed', error };
    }
  }

  async #newest({ org, agentId }: Endpoint): Promise<ModeOverrideRecord | undefined> {
    const entry = await this.#streams.last(STREAMS.identities.name, STREAM_SUBJECTS.mode(org, agentId));
    return entry === undefined ? undefined : decodeRecord<ModeOverrideRecord>(entry.data);
  }
}

/** An override with a lease is never the same: its lease ends later than the one before. */
function isSame(before: ModeOverrideRecord | undefined, override: ModeOverrideRecord): boolean {
  if (override.untilMs !== undefined) return false;
  const active = activeModeOverride(before, override.atMs);
  if (active === undefined) return override.mode === 'default';
  return active.mode === override.mode && active.intervalMs === override.intervalMs && active.untilMs === undefined;
}
