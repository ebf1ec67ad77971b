import {
  absentValues,
  encodeDelta,
  encodeHistory,
  encodeKeyframe,
  GROUP_ATTRIBUTE,
  GROUP_LIMIT,
  GROUP_METRICS,
  GROUPS,
  HISTORY_KINDS,
  HOST_METRICS,
  INSTANCE_NAME_BYTES,
  makeShape,
  MAX_INTEGER,
  type Sample,
  type Shape,
} from '@muster/host-metrics';

const AT_MS = 1_767_225_600_000;

/** The series of host metrics, and samples with their encodings, for authors of agents. Absent values are `null`. */
export function metricsJson(): object {
  const numbered = <T extends object>(items: readonly T[]): object[] =>
    items.map((item, number) => ({ number, ...item }));
  return {
    bounds: { value: MAX_INTEGER, instanceNameBytes: INSTANCE_NAME_BYTES },
    host: numbered(HOST_METRICS),
    groups: GROUPS.map((group, number) => ({
      ...{ number, group, attribute: GROUP_ATTRIBUTE[group], limit: GROUP_LIMIT[group] },
      series: numbered(GROUP_METRICS[group]),
    })),
    historyKinds: HISTORY_KINDS,
    vectors: vectors(),
  };
}

function vectors(): object[] {
  const small = makeShape({});
  const large = makeShape({ core: ['0', '1'], interface: ['eth0', 'wlan0 ü'], battery: ['BAT0'] });
  const base = sampleOf(large, { seq: 7, atMs: AT_MS }, (i) => (i % 5 === 4 ? Number.NaN : i * i * 1_001));
  // The clock was set back; some values are the same, one is gone, one is there for the first time.
  const next = sampleOf(large, { seq: 9, atMs: AT_MS - 1_500 }, (i) => {
    if (i === 0) return Number.NaN;
    return i === 4 ? 3 : (base.values[i] as number) + (i % 3 === 0 ? i : 0);
  });
  const extremes = sampleOf(
    small,
    { seq: 1, atMs: AT_MS },
    (i) => [MAX_INTEGER, -MAX_INTEGER, 0, -1, Number.NaN][i] ?? Number.NaN,
  );
  const samples = [base, next, sampleOf(large, { seq: 10, atMs: AT_MS + 1_000 }, (i) => next.values[i] as number)];
  return [
    { what: 'keyframe', name: 'the ends of the range', bytes: hex(encodeKeyframe(extremes)), sample: json(extremes) },
    {
      what: 'keyframe',
      name: 'groups, names with letters beyond ASCII',
      bytes: hex(encodeKeyframe(base)),
      sample: json(base),
    },
    {
      ...{ what: 'delta', name: 'against the keyframe before', keyframe: hex(encodeKeyframe(base)) },
      ...{ bytes: hex(encodeDelta(next, base)), sample: json(next) },
    },
    {
      what: 'delta',
      name: 'nothing has changed',
      keyframe: hex(encodeKeyframe(base)),
      bytes: hex(encodeDelta({ ...base, seq: 8 }, base)),
      sample: json({ ...base, seq: 8 }),
    },
    ...HISTORY_KINDS.map((kind) => ({
      ...{ what: 'history', name: kind, bytes: hex(encodeHistory({ kind, samples })), samples: samples.map(json) },
    })),
  ];
}

function sampleOf(shape: Shape, head: Pick<Sample, 'seq' | 'atMs'>, value: (index: number) => number): Sample {
  return { ...head, shape, values: absentValues(shape).map((_, i) => value(i)) };
}

function json({ seq, atMs, shape, values }: Sample): object {
  const present = GROUPS.filter((group) => shape.names[group].length > 0);
  return {
    ...{ seq, atMs },
    instances: Object.fromEntries(present.map((group) => [group, shape.names[group]])),
    values: [...values].map((value) => (Number.isNaN(value) ? null : value)),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
