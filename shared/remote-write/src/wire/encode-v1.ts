import type { Series } from '../series/series.js';
import { type ProtoWriter, varintLength } from '../proto/proto-writer.js';
import { groupBySeries, type SampleBatch } from './sample-batch.js';

/** Double and timestamp of a sample, each with its tag. */
const SAMPLE_FIXED_BYTES = 1 + 8 + 1;

/**
 * `prometheus.WriteRequest` of remote write 1.0:
 *
 *     message WriteRequest { repeated TimeSeries timeseries = 1; }
 *     message TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
 *     message Sample       { double value = 1; int64 timestamp = 2; }
 *
 * The result is valid until the writer is used again.
 */
export function encodeV1(writer: ProtoWriter, batch: SampleBatch): Uint8Array {
  writer.reset();
  for (const [series, positions] of groupBySeries(batch)) {
    let length = series.shape.byteLength + series.endpoint.byteLength;
    for (const position of positions) length += 2 + sampleLength(batch.timesMs[position] ?? 0);
    writer.delimited(1, length);
    writeLabels(writer, series);
    for (const position of positions) {
      const timeMs = batch.timesMs[position] ?? 0;
      writer.delimited(2, sampleLength(timeMs));
      writer.double(1, batch.values[position] ?? Number.NaN);
      writer.varint(2 * 8);
      writer.varint(timeMs);
    }
  }
  return writer.written();
}

function sampleLength(timeMs: number): number {
  return SAMPLE_FIXED_BYTES + varintLength(timeMs);
}

/** Both label sets are sorted; together they must be too. */
function writeLabels(writer: ProtoWriter, { shape, endpoint }: Series): void {
  let next = 0;
  for (const [index, { name }] of shape.labels.entries()) {
    for (; next < endpoint.labels.length && (endpoint.labels[next]?.name ?? '') < name; next += 1)
      writer.raw(endpoint.encoded[next] ?? new Uint8Array());
    writer.raw(shape.encoded[index] ?? new Uint8Array());
  }
  for (; next < endpoint.labels.length; next += 1) writer.raw(endpoint.encoded[next] ?? new Uint8Array());
}
