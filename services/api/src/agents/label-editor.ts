import type { StreamStore } from '@muster/bus';
import { effectiveLabels, type Endpoint } from '@muster/directory';
import { AppError, labelFaults, LIMITS, type Labels } from '@muster/protocol';
import { writeFailure } from '@muster/service-base';
import { decodeRecord, encodeRecord, STREAM_SUBJECTS, STREAMS, type LabelsRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { inBatches } from './in-batches.js';

export interface LabelChange {
  readonly set: Labels;
  readonly remove: readonly string[];
  readonly by: string;
}

export type EditResult =
  | { readonly kind: 'changed' | 'unchanged'; readonly endpoint: Endpoint }
  | { readonly kind: 'failed'; readonly error: AppError };

const ATTEMPTS = 5;

/**
 * Changes the labels that operators set. Each change is a compare-and-set on top of the newest record.
 * Two operators who set different labels at the same moment both succeed.
 */
export class LabelEditor {
  readonly #streams: StreamStore;
  readonly #clock: Clock;

  constructor({ streams, clock }: { readonly streams: StreamStore; readonly clock: Clock }) {
    this.#streams = streams;
    this.#clock = clock;
  }

  async edit(endpoint: Endpoint, change: LabelChange): Promise<EditResult> {
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const result = await this.#attempt(endpoint, change);
        if (result !== undefined) return result;
      }
      throw new AppError('broker_unavailable', `the labels of ${endpoint.agentId} change too often; try again`);
    } catch (thrown) {
      const error = AppError.is(thrown) ? thrown : writeFailure('labels cannot be kept now; try again', thrown);
      return { kind: 'failed', error };
    }
  }

  editAll(endpoints: Iterable<Endpoint>, change: LabelChange): AsyncGenerator<EditResult> {
    return inBatches(endpoints, (endpoint) => this.edit(endpoint, change));
  }

  /** `undefined` when another process wrote in between. */
  async #attempt(endpoint: Endpoint, change: LabelChange): Promise<EditResult | undefined> {
    const subject = STREAM_SUBJECTS.labels(endpoint.org, endpoint.agentId);
    const entry = await this.#streams.last(STREAMS.identities.name, subject);
    // Those of the enrolment secret are in no record of operators.
    const before = entry === undefined ? endpoint.operatorLabels : decodeRecord<LabelsRecord>(entry.data).labels;
    const labels = changed(before, change);
    const result = { ...endpoint, operatorLabels: labels, labels: effectiveLabels(endpoint.agentLabels, labels) };
    if (equal(before, labels)) return { kind: 'unchanged', endpoint: result };
    const record: LabelsRecord = { labels, by: change.by, atMs: this.#clock.now() };
    const written = await this.#streams.append(subject, encodeRecord(record), {
      expectLastSubjectSeq: entry?.seq ?? 0,
    });
    if (written.kind === 'unavailable') throw written.cause;
    return written.kind === 'appended' ? { kind: 'changed', endpoint: result } : undefined;
  }
}

function changed(before: Labels, { set, remove }: LabelChange): Labels {
  const kept = Object.entries(before).filter(([key]) => !remove.includes(key));
  const labels = { ...Object.fromEntries(kept), ...set };
  if (Object.keys(labels).length > LIMITS.labels) {
    throw new AppError('bad_request', `an agent can have ${LIMITS.labels} labels; remove some first`, {
      details: { faults: labelFaults(labels) },
    });
  }
  return labels;
}

function equal(a: Labels, b: Labels): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
