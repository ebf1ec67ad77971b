import { byName } from '../series/label-policy.js';
import type { MetricType } from '../series/metric-definition.js';
import type { Series } from '../series/series.js';
import { ProtoWriter, varintLength } from '../proto/proto-writer.js';
import { groupBySeries, type SampleBatch } from './sample-batch.js';

/** `Metadata.MetricType` of the specification. */
const TYPES: Readonly<Record<MetricType, number>> = { counter: 1, gauge: 2 };

/**
 * `io.prometheus.write.v2.Request` of remote write 2.0 (2.0-rc.4):
 *
 *     message Request    { repeated string symbols = 4; repeated TimeSeries timeseries = 5; }
 *     message TimeSeries { repeated uint32 labels_refs = 1; repeated Sample samples = 2; Metadata metadata = 5; }
 *     message Sample     { double value = 1; int64 timestamp = 2; }
 *     message Metadata   { MetricType type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
 *
 * Start times of counters are left out: endpoints do not send them. The result is valid until the writer is used again.
 */
export function encodeV2(writer: ProtoWriter, batch: SampleBatch): Uint8Array {
  // The first symbol is the empty text: a reference of 0 means none.
  const symbols = new Map<string, number>([['', 0]]);
  const refOf = (text: string): number => {
    const known = symbols.get(text);
    if (known !== undefined) return known;
    symbols.set(text, symbols.size);
    return symbols.size - 1;
  };
  writer.reset();
  const inner = new ProtoWriter(512);
  for (const [series, positions] of groupBySeries(batch)) {
    writeSeries(inner, { series, positions, batch, refOf });
    writer.delimited(5, inner.written().length);
    writer.raw(inner.written());
  }
  // Fields may come in any sequence; the symbols are complete only now.
  for (const symbol of symbols.keys()) writer.text(4, symbol);
  return writer.written();
}

interface Item {
  readonly series: Series;
  readonly positions: readonly number[];
  readonly batch: SampleBatch;
  readonly refOf: (text: string) => number;
}

function writeSeries(writer: ProtoWriter, { series, positions, batch, refOf }: Item): void {
  writer.reset();
  const labels = [...series.shape.labels, ...series.endpoint.labels].sort(byName);
  const refs = labels.flatMap(({ name, value }) => [refOf(name), refOf(value)]);
  writer.delimited(1, lengthOf(refs));
  for (const ref of refs) writer.varint(ref);
  for (const position of positions) {
    const timeMs = batch.timesMs[position] ?? 0;
    writer.delimited(2, 1 + 8 + 1 + varintLength(timeMs));
    writer.double(1, batch.values[position] ?? Number.NaN);
    writer.varint(2 * 8);
    writer.varint(timeMs);
  }
  const { type, help = '', unit = '' } = series.shape.definition;
  const metadata = [1 * 8, TYPES[type], 3 * 8, refOf(help), 4 * 8, refOf(unit)];
  writer.delimited(5, lengthOf(metadata));
  for (const value of metadata) writer.varint(value);
}

function lengthOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + varintLength(value), 0);
}
