import type { MetricsEventJson } from '@muster/api-contract';
import { safeJson } from '../../terminal/escape.js';
import type { TextOutput } from '../../terminal/terminal.js';
import { bytesText, cell, loadText, UNKNOWN } from '../../view/drawing.js';
import type { ReadSample } from './endpoint-state.js';
import { GAP_MS, historyPoint } from './host-history.js';

export type SampleOutput = 'table' | 'json' | 'ndjson';

/** Prints what an endpoint measures as it comes: a line for a sample, or an object for an event. */
export class SampleWriter {
  readonly #out: TextOutput;
  readonly #output: SampleOutput;
  #lastMs: number | undefined;

  constructor(out: TextOutput, output: SampleOutput) {
    this.#out = out;
    this.#output = output;
  }

  async sample(sample: ReadSample): Promise<void> {
    const { atMs, from, reading } = sample;
    const lastMs = this.#lastMs;
    this.#lastMs = atMs;
    if (this.#output !== 'table') {
      if (this.#output === 'ndjson' && lastMs !== undefined && atMs - lastMs > GAP_MS)
        await this.#line(safeJson({ event: 'gap', from: isoTime(lastMs), to: isoTime(atMs) }));
      return this.#line(safeJson({ event: 'sample', at: isoTime(atMs), from, ...rounded(reading) }));
    }
    if (lastMs === undefined) await this.#line(HEADER);
    else if (atMs - lastMs > GAP_MS) await this.#line(`# no samples from ${isoTime(lastMs)} to ${isoTime(atMs)}`);
    await this.#line(sampleLine(sample, this.#out.isTTY));
  }

  /** What is no sample: only programs are told of it here. */
  async event(event: Extract<MetricsEventJson, { readonly event: 'processes' | 'state' }>): Promise<void> {
    if (this.#output === 'ndjson') await this.#line(safeJson(event));
  }

  #line(text: string): Promise<void> {
    return this.#out.write(`${text}\n`);
  }
}

/** Heads and widths. */
const COLUMNS: readonly (readonly [head: string, width: number])[] = [
  ...([
    ['TIME', 20],
    ['CPU%', 6],
    ['LOAD', 6],
    ['MEM%', 6],
    ['SWAP', 12],
  ] as const),
  ...([
    ['RX/s', 12],
    ['TX/s', 12],
    ['READ/s', 12],
    ['WRITE/s', 12],
  ] as const),
];
const HEADER = lineOf(COLUMNS.map(([head]) => head));

/** `2026-11-29T17:44:08Z   12.5   0.52 …`: with units for people, in digits for programs. */
export function sampleLine({ atMs, reading }: ReadSample, forPeople: boolean): string {
  const bytes = (value: number | undefined): string =>
    forPeople || value === undefined ? bytesText(value) : String(Math.round(value));
  const percent = (share: number | undefined): string => (share === undefined ? UNKNOWN : (share * 100).toFixed(1));
  const point = historyPoint(atMs, reading);
  return lineOf([
    isoTime(atMs).replace(/\.\d+Z$/, 'Z'),
    percent(point.cpu),
    loadText(reading.load?.[0]),
    percent(point.memory),
    bytes(reading.swap.used),
    ...[point.receive, point.transmit, point.read, point.write].map(bytes),
  ]);
}

function lineOf(texts: readonly string[]): string {
  return COLUMNS.map(([, width], i) => cell(texts[i] ?? '', width, i === 0 ? 'start' : 'end')).join(' ');
}

function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** Rates have more digits than they are worth. */
function rounded<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_, one: unknown) =>
    typeof one === 'number' ? Math.round(one * 10_000) / 10_000 : one,
  ) as T;
}
