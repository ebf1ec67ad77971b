import { encodeLabel } from '../proto/proto-writer.js';
import { byName, type Label } from './label-policy.js';
import type { MetricDefinition } from './metric-definition.js';

/** Labels with their encoding in protocol 1.0. Shared by all series that have them. */
export class LabelSet {
  readonly labels: readonly Label[];
  /** One `prometheus.Label` field each, in the sequence of `labels`. */
  readonly encoded: readonly Uint8Array[];
  readonly byteLength: number;

  /** `labels` are sorted by name and have no empty values. */
  constructor(labels: readonly Label[]) {
    this.labels = labels;
    this.encoded = labels.map(encodeLabel);
    this.byteLength = this.encoded.reduce((sum, { length }) => sum + length, 0);
  }
}

/** A metric with the values of its own labels: what series of different endpoints have in common. */
export class SeriesShape extends LabelSet {
  readonly key: string;
  readonly definition: MetricDefinition;
  /** How many series have it. */
  uses = 0;

  constructor(key: string, definition: MetricDefinition, own: readonly Label[]) {
    super([{ name: '__name__', value: definition.name }, ...own.filter(({ value }) => value !== '')].sort(byName));
    this.key = key;
    this.definition = definition;
  }
}

/** One time series. `active` until its stale marker is queued. */
export interface Series {
  readonly shape: SeriesShape;
  readonly endpoint: LabelSet;
  /** Time of the last value or marker in milliseconds; later ones alone are taken. */
  lastMs: number;
  /** The sweep before which it was last written. */
  seenSweep: number;
  active: boolean;
}
