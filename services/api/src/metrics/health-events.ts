import type { HealthEventJson } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import { endpointLabel, type Directory } from '@muster/directory';
import { AppError, selectorMatches, type OrgId, type Selector } from '@muster/protocol';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, type HealthRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { newestOf } from '../http/newest.js';
import { TimedReader } from '../http/timed-reader.js';
import type { StreamItem } from '../http/viewers.js';
import { failingRulesJson, timeText } from './metrics-json.js';

export interface HealthEventsOptions {
  readonly streams: StreamStore;
  readonly directory: Pick<Directory, 'byId'>;
  readonly clock: Clock;
  readonly org: OrgId;
  /** Which endpoints the viewer may see, and wants to. `health` is the state after the change; `mode` is not known. */
  readonly selector: Selector;
  /** The last change that the viewer has seen; `undefined`: only what comes from now on. */
  readonly afterSeq: number | undefined;
  /** The newest sequence of the stream when the viewer came. */
  readonly newestSeq: number;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

// Each viewer has its own reader: as for queries.
const BATCH = 20;
const STREAM_HEARTBEAT_MS = 2_500;

/**
 * Changes of health of an org's endpoints, until the viewer goes. The stream keeps the last ten changes of each
 * endpoint; each names the one before it. So what was removed before this viewer read it is noticed with the next
 * change of the same endpoint, and told as a gap.
 */
export async function* healthEvents(options: HealthEventsOptions): AsyncGenerator<StreamItem> {
  const { streams, clock, org, newestSeq, signal, heartbeatMs } = options;
  // A stream that has fewer entries than the viewer has seen is another one, made anew.
  const isOther = options.afterSeq !== undefined && options.afterSeq > newestSeq;
  const afterSeq = isOther ? newestSeq : (options.afterSeq ?? newestSeq);
  if (isOther) yield item({ event: 'gap', seq: null, agentId: null, host: null });
  yield item({ event: 'began', seq: afterSeq });
  const reading = new AbortController();
  const entries = streams.read(STREAMS.health.name, {
    subject: STREAM_SUBJECTS.orgHealth(org),
    fromSeq: afterSeq + 1,
    follow: true,
    batch: BATCH,
    heartbeatMs: STREAM_HEARTBEAT_MS,
    signal: AbortSignal.any([signal, reading.signal]),
  });
  const reader = new TimedReader(entries, clock);
  const chain = new ChangeChain(afterSeq);
  try {
    for (;;) {
      const next = await reader.next(heartbeatMs);
      if (signal.aborted) return;
      if (next === 'ended' || next === 'lost')
        throw new AppError('broker_unavailable', 'the stream of health broke off; connect again');
      if (next === 'timeout') {
        yield { kind: 'idle' };
        continue;
      }
      const record = decodeRecord<HealthRecord>(next.data);
      const isComplete = chain.follows(record, next);
      yield* changeItems(record, { ...options, seq: next.seq, isComplete });
    }
  } finally {
    reading.abort();
    await reader.stop();
  }
}

/** The newest sequence of its stream. Throws `broker_unavailable`. */
export function newestHealth(streams: StreamStore): Promise<number> {
  return newestOf(streams, STREAMS.health.name, undefined);
}

interface ChangePlace extends Pick<HealthEventsOptions, 'directory' | 'selector'> {
  readonly seq: number;
  readonly isComplete: boolean;
}

function* changeItems(
  record: HealthRecord,
  { directory, selector, seq, isComplete }: ChangePlace,
): Generator<StreamItem> {
  const { org, agentId, atMs, state, before, rules } = record;
  const endpoint = directory.byId(org, agentId);
  // Of one whose identity is gone nobody knows whether it is within a bound.
  const label = endpoint === undefined ? () => undefined : endpointLabel(endpoint);
  const isShown = endpoint !== undefined || selector.length === 0;
  if (!isShown || !selectorMatches(selector, (key) => (key === 'health' ? state : label(key)))) return;
  const host = endpoint?.facts.host ?? null;
  if (!isComplete) yield item({ event: 'gap', seq: null, agentId, host });
  const failing = failingRulesJson(rules, atMs);
  yield item({ event: 'changed', seq, at: timeText(atMs), agentId, host, state, before, rules: failing });
}

/** Finds out whether changes are missing before one. */
class ChangeChain {
  #afterSeq: number;
  /** The last change that was read of each endpoint, until the reader has caught up. */
  readonly #last = new Map<number, number>();

  constructor(afterSeq: number) {
    this.#afterSeq = afterSeq;
  }

  follows({ num, prev }: HealthRecord, { seq, pending }: { readonly seq: number; readonly pending: number }): boolean {
    const isComplete = prev <= this.#afterSeq || this.#last.get(num) === prev;
    if (pending > 0) this.#last.set(num, seq);
    else {
      // What was removed before this moment had newer changes after it, and those are read.
      this.#last.clear();
      this.#afterSeq = seq;
    }
    return isComplete;
  }
}

function item(event: HealthEventJson): StreamItem {
  const { event: name, seq } = event;
  return { kind: 'event', name, ...(seq === null ? {} : { id: seq }), pieces: [JSON.stringify(event)] };
}
