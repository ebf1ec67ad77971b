import { describe, expect, test } from '@jest/globals';
import type { GatewayUpdate } from '@muster/messages';
import type { GatewayId, QueryId } from '@muster/protocol';
import { UpdateSequencer } from './update-sequencer.js';

const NOTHING = new Uint8Array(0);
const base = { query: 'q1' as QueryId, gateway: 'gw-a' as GatewayId };
const targeted = (seq: number): GatewayUpdate => ({ ...base, t: 'targeted', seq, joined: seq > 0, targets: NOTHING });
const part = (seq: number, more = false): GatewayUpdate => ({
  ...base,
  t: 'partial',
  seq,
  more,
  settled: false,
  answered: NOTHING,
  empty: NOTHING,
  failures: [],
  answers: NOTHING,
  groups: NOTHING,
});
const seqs = (result: ReturnType<UpdateSequencer['take']>): (string | number)[] =>
  'updates' in result ? [result.kind, ...result.updates.map((update) => update.seq)] : [result.kind];
const feed = (...updates: GatewayUpdate[]): (string | number)[][] => {
  const sequencer = new UpdateSequencer();
  return updates.map((update) => seqs(sequencer.take(update)));
};

describe('update sequencer', () => {
  test('parts of one partial are applied together', () => {
    expect(feed(targeted(0), part(1, true), part(2, true), part(3), part(4))).toEqual([
      ['apply', 0],
      ['wait'],
      ['wait'],
      ['apply', 1, 2, 3],
      ['apply', 4],
    ]);
  });

  test('a repeated update is taken once', () => {
    expect(feed(targeted(0), targeted(0), part(1), part(1), part(2))).toEqual([
      ['apply', 0],
      ['repeat'],
      ['apply', 1],
      ['repeat'],
      ['apply', 2],
    ]);
  });

  test('updates around a gap are salvaged until the next partial begins', () => {
    expect(feed(targeted(0), part(1, true), part(3, true), part(4), part(5))).toEqual([
      ['apply', 0],
      ['wait'],
      ['salvage', 1, 3],
      ['salvage', 4],
      ['apply', 5],
    ]);
  });

  test('a single partial after a gap may be the end of a longer one', () => {
    expect(feed(targeted(0), part(2), part(3))).toEqual([
      ['apply', 0],
      ['salvage', 2],
      ['apply', 3],
    ]);
  });

  test('a targeted update starts a new partial', () => {
    expect(feed(targeted(0), part(2, true), targeted(3), part(4))).toEqual([
      ['apply', 0],
      ['salvage', 2],
      ['apply', 3],
      ['apply', 4],
    ]);
  });

  test('lost updates are counted', () => {
    const sequencer = new UpdateSequencer();
    sequencer.take(part(2));
    sequencer.take(part(3));
    sequencer.take(part(7));
    expect(sequencer.lost).toBe(5);
  });
});
