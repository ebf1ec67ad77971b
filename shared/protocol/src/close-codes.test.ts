import { describe, expect, it } from '@jest/globals';
import { CLOSE, closeReasonOf, shouldReconnect, type CloseReason } from './close-codes.js';

describe('close codes', () => {
  it('say by their range whether to come back', () => {
    for (const { code, reconnect } of Object.values(CLOSE))
      expect([code, shouldReconnect(code)]).toEqual([code, reconnect]);
    for (const code of [1005, 1006, 1012, 3000, 4499, 5000]) expect(shouldReconnect(code)).toBe(true);
    for (const code of [4500, 4599, 4999]) expect(shouldReconnect(code)).toBe(false);
  });

  it('are each used for one reason', () => {
    const reasons = Object.keys(CLOSE) as CloseReason[];
    expect(reasons.map((reason) => closeReasonOf(CLOSE[reason].code))).toEqual(reasons);
    expect(closeReasonOf(4999)).toBeUndefined();
  });

  it('are among those that an endpoint may send (RFC 6455 §7.4)', () => {
    for (const { code } of Object.values(CLOSE)) {
      expect(
        (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 4000 && code < 5000),
      ).toBe(true);
    }
  });
});
