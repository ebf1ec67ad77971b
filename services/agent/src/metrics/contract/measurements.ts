import {
  GROUP_METRICS,
  type Group,
  GROUPS,
  HOST_METRICS,
  makeShape,
  MAX_INTEGER,
  type MetricKind,
  type Shape,
} from '@muster/host-metrics';
import type { Reading } from './host-reader.js';

/** The instances of a group, each with one value for each series of the group. */
export interface Instances {
  /** Unique, at most `GROUP_LIMIT` of them, each at most `INSTANCE_NAME_BYTES` long. */
  readonly names: readonly string[];
  /** Instance by instance, as they were read: not yet corrected. */
  readonly values: Float64Array;
}

/** What was read of one set, before it has a shape. */
export class Measurements {
  /** By the number of the series; `NaN` is absent. */
  readonly host = new Float64Array(HOST_METRICS.length).fill(Number.NaN);
  readonly groups: Partial<Record<Group, Instances>> = {};
}

const HOST_KINDS = HOST_METRICS.map(({ kind }) => kind);

/** Puts sets together to readings. */
export class ReadingComposer {
  #shape: Shape = makeShape({});

  compose(...sets: readonly Measurements[]): Reading {
    const shape = this.#shapeOf(sets);
    return { shape, values: valuesOf(shape, sets) };
  }

  #shapeOf(sets: readonly Measurements[]): Shape {
    const names: Partial<Record<Group, readonly string[]>> = {};
    for (const { groups } of sets) {
      for (const group of GROUPS) {
        const instances = groups[group];
        if (instances !== undefined) names[group] = instances.names;
      }
    }
    if (GROUPS.some((group) => !sameNames(names[group] ?? [], this.#shape.names[group])))
      this.#shape = makeShape(names);
    return this.#shape;
  }
}

/** The values of these sets in a shape that has their instances; of others that it has they are absent. */
export function valuesOf(shape: Shape, sets: readonly Measurements[]): Float64Array {
  const values = new Float64Array(shape.length).fill(Number.NaN);
  for (const { host, groups } of sets) {
    for (let i = 0; i < host.length; i += 1) {
      const value = host[i] as number;
      if (!Number.isNaN(value)) values[i] = encodable(value, HOST_KINDS[i] as MetricKind);
    }
    for (const group of GROUPS) {
      const instances = groups[group];
      if (instances !== undefined) place(values, shape.offsets[group], group, instances.values);
    }
  }
  return values;
}

function place(values: Float64Array, offset: number, group: Group, from: Float64Array): void {
  const metrics = GROUP_METRICS[group];
  for (let i = 0; i < from.length; i += 1) {
    const kind = metrics[i % metrics.length]?.kind ?? 'gauge';
    values[offset + i] = encodable(from[i] as number, kind);
  }
}

/**
 * A counter beyond the bounds of the encoding starts again at 0, as receivers expect of counters. A gauge out of
 * bounds, a counter below zero and what is no number are absent.
 */
function encodable(value: number, kind: MetricKind): number {
  if (!Number.isFinite(value)) return Number.NaN;
  const whole = Math.round(value);
  if (kind === 'counter') return whole < 0 ? Number.NaN : whole % (MAX_INTEGER + 1);
  // Without the sign of −0, which the encoding does not have.
  return Math.abs(whole) > MAX_INTEGER ? Number.NaN : whole + 0;
}

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return one === other || (one.length === other.length && one.every((name, i) => name === other[i]));
}
