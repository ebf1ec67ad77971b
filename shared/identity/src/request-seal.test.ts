import { describe, expect, test } from '@jest/globals';
import { parseRequestKeys, RequestSeal, SEAL_WINDOW_MS } from './request-seal.js';

const NOW = 1_700_000_000_000;
const KEY = 'k'.repeat(32);
const NEXT = 'n'.repeat(32);
const BODY = Buffer.from('kill abc.exe');
const seal = new RequestSeal([KEY]);

const reasonOf = (bytes: Uint8Array, nowMs = NOW, by = seal): string => {
  const opened = by.open(bytes, nowMs);
  return opened.ok ? 'ok' : opened.reason;
};

describe('a sealed request', () => {
  test('opens to its body, with an id that differs from another sealing of that body', () => {
    const [one, two] = [seal.open(seal.seal(BODY, NOW), NOW), seal.open(seal.seal(BODY, NOW), NOW)];
    if (!one.ok || !two.ok) throw new Error('not opened');
    expect(Buffer.from(one.body)).toEqual(BODY);
    expect(one.id).not.toBe(two.id);
  });

  test('every changed byte is noticed', () => {
    const sealed = seal.seal(BODY, NOW);
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(reasonOf(changed)).toBe('bad_seal');
    }
  });

  test('cannot be made without the key', () => {
    expect(reasonOf(new RequestSeal([NEXT]).seal(BODY, NOW))).toBe('bad_seal');
    expect(reasonOf(BODY)).toBe('malformed');
    expect(reasonOf(Buffer.concat([Buffer.alloc(64), BODY]))).toBe('bad_seal');
    expect(reasonOf(new Uint8Array())).toBe('malformed');
  });

  test('is stale after a minute, and when the clock is ahead by as much', () => {
    const sealed = seal.seal(BODY, NOW);
    expect([0, SEAL_WINDOW_MS, -SEAL_WINDOW_MS].map((by) => reasonOf(sealed, NOW + by))).toEqual(['ok', 'ok', 'ok']);
    expect(reasonOf(sealed, NOW + SEAL_WINDOW_MS + 1)).toBe('stale');
    expect(reasonOf(sealed, NOW - SEAL_WINDOW_MS - 1)).toBe('stale');
  });

  test('keys rotate: the first seals, all of them open', () => {
    const both = new RequestSeal([NEXT, KEY]);
    expect(reasonOf(seal.seal(BODY, NOW), NOW, both)).toBe('ok');
    expect(reasonOf(both.seal(BODY, NOW))).toBe('bad_seal');
    expect(reasonOf(both.seal(BODY, NOW), NOW, new RequestSeal([NEXT]))).toBe('ok');
  });

  test('an empty body, and one in the middle of a larger buffer, are bodies too', () => {
    expect(seal.open(seal.seal(new Uint8Array(), NOW), NOW)).toMatchObject({ ok: true, body: Buffer.alloc(0) });
    const sealed = seal.seal(BODY, NOW);
    const around = new Uint8Array(sealed.length + 20);
    around.set(sealed, 7);
    expect(reasonOf(around.subarray(7, 7 + sealed.length))).toBe('ok');
  });
});

test('keys are read between commas, and short ones are refused without being quoted', () => {
  expect(parseRequestKeys(`${KEY}, ${NEXT}`)).toEqual({ ok: true, keys: [KEY, NEXT] });
  for (const text of ['', 'short-secret', `${KEY},`, `${KEY},short-secret`]) {
    const parsed = parseRequestKeys(text);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toContain('short-secret');
  }
});
