import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  base32,
  isAgentId,
  isCommandId,
  isOrgId,
  isQueryId,
  idTimeMs,
  newCommandId,
  newCommandServiceId,
  newCoordinatorId,
  newGatewayId,
  newQueryId,
} from './ids.js';

describe('base32', () => {
  // RFC 4648 §10, lower case and without padding.
  it.each([
    ['', ''],
    ['f', 'my'],
    ['fo', 'mzxq'],
    ['foo', 'mzxw6'],
    ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'],
    ['foobar', 'mzxw6ytboi'],
  ])('of "%s" is "%s"', (text, expected) => {
    expect(base32(Buffer.from(text))).toBe(expected);
  });

  it('of 15 bytes is an agent id, and different for different bytes', () => {
    const id = fc.uint8Array({ minLength: 15, maxLength: 15 });
    fc.assert(
      fc.property(id, id, (a, b) => {
        expect(isAgentId(base32(a))).toBe(true);
        expect(base32(a) === base32(b)).toBe(Buffer.from(a).equals(Buffer.from(b)));
      }),
    );
  });
});

describe('ids', () => {
  it.each(['', 'a'.repeat(23), 'a'.repeat(25), 'A'.repeat(24), `${'a'.repeat(23)}1`, `${'a'.repeat(24)}\n`])(
    '"%s" is no agent id',
    (text) => {
      expect(isAgentId(text)).toBe(false);
    },
  );

  it.each([
    ['acme', true],
    ['a', true],
    ['9-to-5', true],
    ['a'.repeat(63), true],
    ['a'.repeat(64), false],
    ['', false],
    ['-a', false],
    ['Acme', false],
    ['a.b', false],
    ['a_b', false],
    ['acme\n', false],
  ])('"%s" is the name of an org: %s', (text, expected) => {
    expect(isOrgId(text)).toBe(expected);
  });

  it('of queries sort by the time of their making', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 47 }), fc.integer({ min: 1, max: 2 ** 40 }), (time, later) => {
        const [first, second] = [newQueryId(time), newQueryId(time + later)];
        expect(isQueryId(first)).toBe(true);
        expect(first < second).toBe(true);
      }),
    );
  });

  it('of queries and commands have the form of their kind', () => {
    const [query, command] = [newQueryId(1_795_555_555_123), newCommandId(1_795_555_555_123)];
    expect([isQueryId(query), isCommandId(command)]).toEqual([true, true]);
    expect(command.slice(0, 11)).toBe(`c${query.slice(1, 11)}`);
    for (const id of [query, command]) {
      const strange = [
        `x${id}`,
        `${id}x`,
        id.slice(0, -1),
        id.toUpperCase(),
        id.slice(1),
        `${id.slice(0, -1)}u`,
        `${id}\n`,
      ];
      for (const text of strange) expect([text, isQueryId(text), isCommandId(text)]).toEqual([text, false, false]);
    }
    expect([isQueryId(command), isCommandId(query)]).toEqual([false, false]);
  });

  it('tell when they were made', () => {
    for (const timeMs of [0, 1, 1_795_555_555_123, 2 ** 48 - 1]) {
      expect([idTimeMs(newQueryId(timeMs)), idTimeMs(newCommandId(timeMs))]).toEqual([timeMs, timeMs]);
    }
  });

  it('are new each time', () => {
    const many = <T>(make: () => T): number => new Set(Array.from({ length: 500 }, make)).size;
    expect([many(newGatewayId), many(newCoordinatorId), many(() => newQueryId(1))]).toEqual([500, 500, 500]);
    expect(newGatewayId()).toMatch(/^gw-[a-z2-7]{10}$/);
    expect(newCoordinatorId()).toMatch(/^q-[a-z2-7]{10}$/);
    expect(newCommandServiceId()).toMatch(/^cs-[a-z2-7]{10}$/);
  });
});
