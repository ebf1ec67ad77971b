import type { GatewayUpdate } from '@muster/messages';
import { decodeRow, decodeRows, encodeCbor } from '@muster/protocol';
import { AnswerBlockWriter, encodeNumberSet, GroupBlockWriter, readGroupBlock, type ResultForm } from '@muster/records';
import { ResultAggregator, type AggregatorOptions } from '../aggregation/result-aggregator.js';

export const NOTHING = new Uint8Array(0);

/** An aggregator for rows of two columns. */
export function newAggregator(form: ResultForm, options: Partial<AggregatorOptions> = {}): ResultAggregator {
  return new ResultAggregator({
    form,
    columns: 2,
    maxGroups: 10_000,
    maxGroupBytes: 10_000_000,
    maxQueuedBytes: 10_000_000,
    maxResultBytes: 100_000_000,
    eventBytes: 256,
    ...options,
  });
}

/** The rows of an endpoint: one that only it has, one that others share. */
export const rowsOf = (num: number): Uint8Array =>
  Buffer.concat([encodeCbor([`only-${num}`, num]), encodeCbor(['shared', num % 3])]);

export function update(gateway: string, seq: number, content: object): GatewayUpdate {
  return {
    ...{ query: 'q', gateway, seq, t: 'partial', more: false, settled: false },
    ...{ answered: NOTHING, empty: NOTHING, failures: [], answers: NOTHING, groups: NOTHING },
    ...content,
  } as unknown as GatewayUpdate;
}

export function targeted(gateway: string, seq: number, nums: number[], joined = false): GatewayUpdate {
  return update(gateway, seq, { t: 'targeted', joined, targets: encodeNumberSet(nums) });
}

export function answers(...nums: number[]): Uint8Array {
  const writer = new AnswerBlockWriter();
  for (const num of nums) writer.add(num, rowsOf(num));
  return writer.bytes();
}

export function merged(...nums: number[]): { readonly answered: Uint8Array; readonly groups: Uint8Array } {
  const groups = new GroupBlockWriter();
  for (const num of nums) {
    for (const row of decodeRows(rowsOf(num), 2)) {
      groups.add(0, { row: encodeCbor(row), endpoints: 1, copies: 1, sample: [num] });
    }
  }
  return { answered: encodeNumberSet(nums), groups: groups.bytes() };
}

/** How many endpoints the group of a row counts. */
export function endpointsOf({ groups }: ResultAggregator, name: string): number {
  let endpoints = 0;
  for (let block = groups.takeChanged(1_000); block !== undefined; block = groups.takeChanged(1_000)) {
    for (const group of readGroupBlock(block)) if (decodeRow(group.row)[0] === name) endpoints = group.endpoints;
  }
  return endpoints;
}
