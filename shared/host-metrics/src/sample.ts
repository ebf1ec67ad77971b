import { GROUP_METRICS, GROUPS, HOST_METRICS, type Group, type HostMetric } from './catalogue.js';

/**
 * Which instances of each group a sample has; it decides where their values are. Two samples with the same `Shape`
 * object have the same layout.
 */
export interface Shape {
  readonly names: Readonly<Record<Group, readonly string[]>>;
  /** Where the first value of the first instance of a group is. */
  readonly offsets: Readonly<Record<Group, number>>;
  /** How many values a sample has. */
  readonly length: number;
}

/** What a host measured at one moment. */
export interface Sample {
  /** Numbers the samples of a session from 1. */
  readonly seq: number;
  /** The endpoint's clock, Unix milliseconds. */
  readonly atMs: number;
  readonly shape: Shape;
  /** Integers in the scale of their metric; `NaN` is absent. First {@link HOST_METRICS}, then group by group, instance by instance. */
  readonly values: Float64Array;
  /**
   * Of a sample that was decoded: where in `values` the values of its keyframe are, in the order of the keyframe; −1
   * for what this version does not know. Absent where the sender has the same catalogue. Deltas count in the order of
   * the keyframe.
   */
  readonly positions?: Int32Array;
}

export function makeShape(names: Partial<Record<Group, readonly string[]>>): Shape {
  const all = {} as Record<Group, readonly string[]>;
  const offsets = {} as Record<Group, number>;
  let length = HOST_METRICS.length;
  for (const group of GROUPS) {
    all[group] = names[group] ?? [];
    offsets[group] = length;
    length += all[group].length * GROUP_METRICS[group].length;
  }
  return { names: all, offsets, length };
}

/** A vector of absent values for a shape. */
export function absentValues(shape: Shape): Float64Array {
  return new Float64Array(shape.length).fill(Number.NaN);
}

/** Where a value of an instance is. */
export function groupOffset(shape: Shape, group: Group, instance: number, metric: number): number {
  return shape.offsets[group] + instance * GROUP_METRICS[group].length + metric;
}

export interface SampleValue {
  readonly metric: HostMetric;
  /** Absent for what a host has once. */
  readonly group?: Group;
  readonly instance?: string;
  /** In the unit of the metric. */
  readonly value: number;
}

/** The values of a sample that are there, in the unit of their metric. */
export function* sampleValues({ shape, values }: Pick<Sample, 'shape' | 'values'>): Generator<SampleValue> {
  for (let i = 0; i < HOST_METRICS.length; i += 1) {
    const value = inUnit(HOST_METRICS[i], values[i]);
    if (value !== undefined) yield { metric: HOST_METRICS[i] as HostMetric, value };
  }
  for (const group of GROUPS) {
    const metrics = GROUP_METRICS[group];
    for (const [instance, name] of shape.names[group].entries()) {
      for (const [number, metric] of metrics.entries()) {
        const value = inUnit(metric, values[groupOffset(shape, group, instance, number)]);
        if (value !== undefined) yield { metric, group, instance: name, value };
      }
    }
  }
}

/** A value of what a host has once, in its unit; `undefined` when it is absent. */
export function hostValue({ values }: Pick<Sample, 'values'>, metric: number): number | undefined {
  return inUnit(HOST_METRICS[metric], values[metric]);
}

function inUnit(metric: HostMetric | undefined, value: number | undefined): number | undefined {
  if (metric === undefined || value === undefined || Number.isNaN(value)) return undefined;
  // 0.001 is not exact in binary; dividing by 1000 gives the nearest number to what is meant.
  return metric.scale < 1 ? value / Math.round(1 / metric.scale) : value * metric.scale;
}
