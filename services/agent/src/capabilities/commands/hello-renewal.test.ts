import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { HelloRenewal } from './hello-renewal.js';

function fixture(): { clock: FakeClock; renewal: HelloRenewal; renewed: () => number } {
  const clock = new FakeClock();
  let times = 0;
  return { clock, renewal: new HelloRenewal({ clock, renew: () => (times += 1) }), renewed: () => times };
}

describe('the renewal of a session', () => {
  test('comes once, when the last outcome is confirmed', () => {
    const { clock, renewal, renewed } = fixture();
    renewal.request();
    renewal.request();
    renewal.allKept();
    renewal.allKept();
    clock.advance(10_000);
    expect(renewed()).toBe(1);
  });

  test('comes after two seconds without a confirmation, and not without a request', () => {
    const { clock, renewal, renewed } = fixture();
    renewal.allKept();
    renewal.request();
    clock.advance(1_999);
    expect(renewed()).toBe(0);
    clock.advance(1);
    expect(renewed()).toBe(1);
  });

  test('does not come after the end', () => {
    const { clock, renewal, renewed } = fixture();
    renewal.request();
    renewal.stop();
    clock.advance(10_000);
    expect(renewed()).toBe(0);
  });
});
