import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { clipMessage, decodeBody, encodeBody, type HelloBody } from './bodies.js';
import { encodeCbor } from './cbor.js';
import { LIMITS } from './limits.js';

const hello: HelloBody = {
  facts: { host: 'h', os: 'linux', arch: 'x86_64', osName: '', osVersion: '', agentVersion: '1' },
  labels: { env: 'prod' },
  capabilities: ['query'],
  instance: new Uint8Array(16),
  proof: new Uint8Array(64),
};

const faultOf = (kind: Parameters<typeof decodeBody>[0], value: unknown): string => {
  const decoded = decodeBody(kind, encodeCbor(value));
  return decoded.ok ? '' : decoded.fault;
};

describe('bodies', () => {
  it('give back what was put in', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.string({ maxLength: 64 }), (afterMs, spreadMs, reason) => {
        const body = { afterMs, spreadMs, reason };
        expect(decodeBody('reconnect', encodeBody('reconnect', body))).toEqual({ ok: true, body });
      }),
    );
    expect(decodeBody('hello', encodeBody('hello', hello))).toEqual({ ok: true, body: hello });
  });

  it('are the same bytes in whatever order the members were set', () => {
    const shuffled = Object.fromEntries(Object.entries(hello).toReversed()) as unknown as HelloBody;
    expect(encodeBody('hello', shuffled)).toEqual(encodeBody('hello', hello));
  });

  it('may say more than this version knows, and that is dropped', () => {
    const decoded = decodeBody('cancel', encodeCbor({ reason: 'ended', later: [1, 2] }));
    expect(decoded).toEqual({ ok: true, body: { reason: 'ended' } });
  });

  it('have integers up to 2^53-1, whatever they count', () => {
    const away = { forMs: 0, failures: 0, why: '' };
    const report = { id: 'c', number: 1, state: 'running', code: '', message: '', authentic: true };
    const largest = Number.MAX_SAFE_INTEGER;
    expect(faultOf('hello', { ...hello, replaces: largest, away: { ...away, forMs: largest } })).toBe('');
    expect(faultOf('report', { ...report, number: largest })).toBe('');
    for (const beyond of [2n ** 53n, 2n ** 64n - 1n]) {
      expect(faultOf('hello', { ...hello, replaces: beyond })).toMatch(/^replaces: /);
      expect(faultOf('hello', { ...hello, away: { ...away, forMs: beyond } })).toMatch(/^away.forMs: /);
      expect(faultOf('hello', { ...hello, away: { ...away, failures: beyond } })).toMatch(/^away.failures: /);
      expect(faultOf('report', { ...report, number: beyond })).toMatch(/^number: /);
    }
  });

  it('have texts whose length is counted in code points', () => {
    const longest = '\u{1f600}'.repeat(LIMITS.errorMessageBytes);
    expect(faultOf('queryEnd', { outcome: 'error', code: '', message: longest })).toBe('');
    expect(faultOf('queryEnd', { outcome: 'error', code: '', message: `${longest}x` })).toMatch(/^message: /);
  });

  it('leave out what is absent: null does not fit', () => {
    for (const absent of ['replaces', 'away']) {
      expect(faultOf('hello', { ...hello, [absent]: null })).toMatch(new RegExp(`^${absent}: `));
    }
  });

  it('never make the decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const kind of ['hello', 'query', 'queryEnd', 'credit'] as const) {
          const decoded = decodeBody(kind, bytes);
          if (!decoded.ok) expect(decoded.fault).not.toBe('');
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('name the member that is wrong', () => {
    expect(faultOf('hello', { ...hello, facts: { ...hello.facts, os: 'plan9' } })).toMatch(/^facts\.os: /);
    expect(faultOf('hello', { ...hello, proof: new Uint8Array(63) })).toMatch(/^proof: /);
    expect(faultOf('hello', { ...hello, labels: { mode: 'live' } })).toMatch(/^labels: .*built in/);
    const proto = Object.fromEntries([['__proto__', 'x']]);
    expect(faultOf('hello', { ...hello, labels: proto })).toMatch(/^labels: label key "__proto__"/);
    expect(faultOf('credit', { bytes: -1 })).toMatch(/^bytes: /);
    expect(faultOf('credit', { bytes: 1.5 })).toMatch(/^bytes: /);
    expect(faultOf('credit', { bytes: 2n ** 63n })).toMatch(/^bytes: /);
    expect(faultOf('credit', {})).toMatch(/^bytes: /);
  });

  it.each([
    ['host', LIMITS.hostBytes],
    ['arch', 32],
    ['osName', LIMITS.factBytes],
    ['osVersion', LIMITS.factBytes],
    ['agentVersion', 64],
  ])('bound %s at %d characters', (member, limit) => {
    const withLength = (length: number): unknown => ({
      ...hello,
      facts: { ...hello.facts, [member]: 'x'.repeat(length) },
    });
    expect(faultOf('hello', withLength(limit))).toBe('');
    expect(faultOf('hello', withLength(limit + 1))).toMatch(new RegExp(`^facts\\.${member}`));
  });

  it('bound a statement', () => {
    const query = (length: number): unknown => ({
      id: 'q',
      sql: 'x'.repeat(length),
      columns: [],
      remainingMs: 1,
      budget: { ms: 1, rows: 1, bytes: 1 },
      credit: 0,
    });
    expect(faultOf('query', query(LIMITS.sqlBytes))).toBe('');
    expect(faultOf('query', query(LIMITS.sqlBytes + 1))).toMatch(/^sql/);
  });

  it('take a heartbeat of at least a second', () => {
    const welcome = { agentId: 'a', epoch: 1, labels: {} };
    expect(faultOf('welcome', { ...welcome, heartbeatMs: 999 })).toMatch(/^heartbeatMs/);
    expect(faultOf('welcome', { ...welcome, heartbeatMs: 1_000 })).toBe('');
  });
});

describe('clipMessage', () => {
  it('leaves what fits as it is, and cuts the rest to what QUERY_END takes', () => {
    expect(clipMessage('short')).toBe('short');
    expect(clipMessage('x'.repeat(512))).toBe('x'.repeat(512));
    expect(clipMessage('x'.repeat(513))).toBe(`${'x'.repeat(510)}…`);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 400, maxLength: 900 }), (text) => {
        const message = clipMessage(text);
        expect(faultOf('queryEnd', { outcome: 'error', code: 'x', message })).toBe('');
        expect(message.isWellFormed()).toBe(true);
      }),
    );
  });

  it('does not leave half a character', () => {
    const message = clipMessage('\u{1f600}'.repeat(400));
    expect(message.isWellFormed()).toBe(true);
    expect(message.length).toBeLessThanOrEqual(LIMITS.errorMessageBytes);
  });
});
