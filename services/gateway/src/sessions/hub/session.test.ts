import { describe, expect, it } from '@jest/globals';
import { CLOSE, decodeBody, FRAME } from '@muster/protocol';
import { fakeSession } from '../../testing/fake-session.js';

describe('a session', () => {
  it('is told why it ends, and then closed with the code of the reason', () => {
    const { session, frames, closes } = fakeSession(1);
    session.close('draining');
    session.close('overloaded', 'too much');
    expect(frames.map(({ type }) => type)).toEqual([FRAME.error, FRAME.error]);
    expect(frames.map(({ body }) => decodeBody('error', body))).toEqual([
      { ok: true, body: { code: 'draining', message: CLOSE.draining.meaning } },
      { ok: true, body: { code: 'overloaded', message: 'too much' } },
    ]);
    expect(closes).toEqual([CLOSE.draining.code, CLOSE.overloaded.code]);
  });

  it('is told no more than an ERROR takes', () => {
    const { session, frames } = fakeSession(1);
    session.close('helloInvalid', 'x'.repeat(10_000));
    expect(decodeBody('error', frames[0]!.body)).toEqual({
      ok: true,
      body: { code: 'helloInvalid', message: 'x'.repeat(500) },
    });
  });

  it('that has ended is neither sent anything nor closed again', () => {
    const { session, frames, closes } = fakeSession(1);
    expect(session.send(new Uint8Array(8))).toBe('sent');
    session.state = 'closed';
    session.close('draining');
    expect([session.send(new Uint8Array(8)), frames.length, closes]).toEqual(['closed', 1, []]);
  });
});
