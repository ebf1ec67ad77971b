import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { GatewayUpdate, PartialUpdate, QueryStop } from './query-messages.js';
import { decodeBusMessage, decodeBusMessageInPlace, decodeServiceMessage, encodeBusMessage } from './codec.js';
import { encodeCbor, newGatewayId, newQueryId } from '@muster/protocol';
import { type LabelsRecord, type ResultEvent, decodeRecord, encodeRecord } from '@muster/records';

const partial: PartialUpdate = {
  t: 'partial',
  query: newQueryId(1),
  gateway: newGatewayId(),
  seq: 3,
  more: false,
  settled: true,
  answered: Uint8Array.of(1, 2),
  empty: new Uint8Array(),
  failures: [[7, 'error', 'sql_error', 'no such column: x']],
  answers: new Uint8Array(),
  groups: Uint8Array.of(9),
};

describe('bus messages', () => {
  it('come back as they were', () => {
    expect(decodeBusMessage<GatewayUpdate>(encodeBusMessage(partial), 'partial', 'targeted')).toEqual(partial);
  });

  it('come back the same in place, where their bytes are a part of the message', () => {
    const bytes = encodeBusMessage(partial);
    const message = decodeBusMessageInPlace<PartialUpdate>(bytes, 'partial');
    expect({ ...message, answered: Uint8Array.from(message?.answered ?? []) }).toMatchObject({
      t: 'partial',
      answered: partial.answered,
    });
    expect(message?.answered.buffer).toBe(bytes.buffer);
    expect(decodeBusMessageInPlace<QueryStop>(bytes, 'query_stop')).toBeUndefined();
  });

  it('of an unexpected kind are ignored', () => {
    expect(decodeBusMessage<QueryStop>(encodeBusMessage(partial), 'query_stop')).toBeUndefined();
  });

  it('never throw on other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(decodeBusMessage<QueryStop>(bytes, 'query_stop')).toBeUndefined();
      }),
    );
    for (const value of [null, 1, 'query_stop', [], {}]) {
      expect(decodeBusMessage<QueryStop>(encodeCbor(value), 'query_stop')).toBeUndefined();
    }
  });
});

describe('service messages and stored records', () => {
  it('come back as they were, large integers and blobs too', () => {
    const event: ResultEvent = {
      t: 'reduced',
      columns: ['a'],
      rows: [[9_007_199_254_740_993n], [Uint8Array.of(0)], [null], ['\u0000']],
      truncated: false,
    };
    expect(decodeServiceMessage(encodeBusMessage(event))).toEqual(event);
    const record: LabelsRecord = { labels: { env: 'prod' }, by: 'ops', atMs: 1 };
    expect(decodeRecord(encodeRecord(record))).toEqual(record);
  });

  it('throw on anything that is no map', () => {
    expect(() => decodeServiceMessage(encodeCbor(5))).toThrow(TypeError);
    expect(() => decodeRecord(encodeCbor(null))).toThrow(TypeError);
  });
});
