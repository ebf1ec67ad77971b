import protobuf from 'protobufjs';
import { uncompress } from 'snappyjs';

// From the specifications of remote write 1.0 and 2.0-rc.4, read by a library that knows nothing of our encoder.
const SCHEMA = `
syntax = "proto3";
message WriteRequest { repeated TimeSeries timeseries = 1; }
message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; }
message Label { string name = 1; string value = 2; }
message Sample { double value = 1; int64 timestamp = 2; }
message Request2 { repeated string symbols = 4; repeated TimeSeries2 timeseries = 5; }
message TimeSeries2 { repeated uint32 labels_refs = 1; repeated Sample2 samples = 2; Metadata2 metadata = 5; }
message Sample2 { double value = 1; int64 timestamp = 2; int64 start_timestamp = 3; }
message Metadata2 { uint32 type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
`;
const { root } = protobuf.parse(SCHEMA, { keepCase: true });

/** One series of a request. Labels in the sequence of the wire. */
export interface DecodedSeries {
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly samples: readonly { readonly timeMs: number; readonly value: number }[];
  readonly metadata?: { readonly type: number; readonly help: string; readonly unit: string };
}

interface RawSample {
  value: number;
  timestamp: number;
}

function decode<T>(type: string, body: Uint8Array): T {
  const message = root.lookupType(type);
  const plain = Uint8Array.from(uncompress(Buffer.from(body)));
  return message.toObject(message.decode(plain), { longs: Number, defaults: true }) as T;
}

const samplesOf = (samples: RawSample[]) => samples.map(({ value, timestamp }) => ({ timeMs: timestamp, value }));

export function decodeV1(body: Uint8Array): DecodedSeries[] {
  const { timeseries } = decode<{ timeseries: { labels: { name: string; value: string }[]; samples: RawSample[] }[] }>(
    'WriteRequest',
    body,
  );
  return timeseries.map(({ labels, samples }) => ({
    labels: labels.map(({ name, value }) => [name, value] as const),
    samples: samplesOf(samples),
  }));
}

interface RawV2 {
  symbols: string[];
  timeseries: {
    labels_refs: number[];
    samples: RawSample[];
    metadata: { type: number; help_ref: number; unit_ref: number };
  }[];
}

export function decodeV2(body: Uint8Array): DecodedSeries[] {
  const { symbols, timeseries } = decode<RawV2>('Request2', body);
  const symbol = (ref: number): string => {
    const text = symbols[ref];
    if (text === undefined) throw new Error(`no symbol ${ref}`);
    return text;
  };
  if (symbols[0] !== '') throw new Error('the first symbol is not empty');
  return timeseries.map(({ labels_refs: refs, samples, metadata }) => ({
    labels: refs.flatMap((ref, index) => (index % 2 === 0 ? [[symbol(ref), symbol(refs[index + 1]!)] as const] : [])),
    samples: samplesOf(samples),
    metadata: { type: metadata.type, help: symbol(metadata.help_ref), unit: symbol(metadata.unit_ref) },
  }));
}
