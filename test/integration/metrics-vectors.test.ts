import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

/** A receiver made from section 17 of the protocol alone: it shares no code with the agent. */
class Bytes {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  number(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(this.#bytes[this.#at++]!);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return value;
    }
  }

  count(): number {
    return Number(this.number());
  }

  signed(): bigint {
    const value = this.number();
    return value % 2n === 0n ? value / 2n : -(value + 1n) / 2n;
  }

  cell(): bigint | null {
    const value = this.number();
    if (value === 0n) return null;
    return (value - 1n) % 2n === 0n ? (value - 1n) / 2n : -value / 2n;
  }

  take(length: number): Buffer {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

interface Decoded {
  readonly seq: number;
  readonly atMs: number;
  readonly instances: Record<string, string[]>;
  readonly values: (number | null)[];
}

interface Metrics {
  readonly host: { readonly number: number }[];
  readonly groups: { readonly group: string; readonly series: unknown[] }[];
  readonly historyKinds: string[];
  readonly vectors: {
    what: string;
    name: string;
    bytes: string;
    keyframe?: string;
    sample?: Decoded;
    samples?: Decoded[];
  }[];
}

const metrics = JSON.parse(
  readFileSync(new URL('../../../shared/protocol/vectors/metrics.json', import.meta.url), 'utf8'),
) as Metrics;
const from = (hex: string): Bytes => new Bytes(Buffer.from(hex, 'hex'));
const plain = (value: bigint | null): number | null => (value === null ? null : Number(value));

function keyframe(input: Bytes): Decoded {
  const [seq, atMs] = [input.count(), input.count()];
  const cells = (count: number) => Array.from({ length: count }, () => plain(input.cell()));
  const values = cells(input.count());
  const instances: Record<string, string[]> = {};
  for (let groups = input.count(); groups > 0; groups -= 1) {
    const { group } = metrics.groups[input.count()]!;
    const [series, count] = [input.count(), input.count()];
    instances[group] = Array.from({ length: count }, () => input.take(input.count()).toString('utf8'));
    values.push(...cells(series * count));
  }
  return { seq, atMs, instances, values };
}

function changed(input: Bytes, base: Decoded, head: Pick<Decoded, 'seq' | 'atMs'>): Decoded {
  const values = [...base.values];
  for (let at = 0; !input.done; at += 1) {
    at += input.count();
    const cell = input.cell();
    values[at] = cell === null ? null : Number(BigInt(base.values[at] ?? 0) + cell);
  }
  return { ...head, instances: base.instances, values };
}

function delta(input: Bytes, base: Decoded): Decoded {
  const seq = input.count();
  expect(input.count()).toBe(base.seq);
  return changed(input, base, { seq, atMs: base.atMs + Number(input.signed()) });
}

function history(input: Bytes): { kind: string; samples: Decoded[] } {
  const kind = metrics.historyKinds[input.count()]!;
  const samples = [keyframe(new Bytes(input.take(input.count())))];
  while (!input.done) {
    const entry = new Bytes(input.take(input.count()));
    const before = samples.at(-1)!;
    const seq = entry.count();
    samples.push(changed(entry, before, { seq, atMs: before.atMs + Number(entry.signed()) }));
  }
  return { kind, samples };
}

describe('the vectors of host metrics', () => {
  it.each(metrics.vectors.map((vector) => [vector.what, vector.name, vector] as const))(
    '%s: %s, read by what section 17 says',
    (what, name, { bytes, keyframe: base, sample, samples }) => {
      if (what === 'keyframe') expect(keyframe(from(bytes))).toEqual(sample);
      if (what === 'delta') expect(delta(from(bytes), keyframe(from(base!)))).toEqual(sample);
      if (what === 'history') expect(history(from(bytes))).toEqual({ kind: name, samples });
    },
  );

  it('cover keyframes, deltas and every kind of history, and the catalogue numbers its series from 0', () => {
    expect(new Set(metrics.vectors.map(({ what }) => what))).toEqual(new Set(['keyframe', 'delta', 'history']));
    expect(metrics.vectors.filter(({ what }) => what === 'history').map(({ name }) => name)).toEqual(
      metrics.historyKinds,
    );
    expect(metrics.host.map(({ number }) => number)).toEqual([...metrics.host.keys()]);
  });
});
