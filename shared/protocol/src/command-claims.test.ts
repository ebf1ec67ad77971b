import { describe, expect, it } from '@jest/globals';
import { commandClaimsSchema, STANDING_CHARS } from './command-claims.js';

const claims = {
  ...{ iss: 'muster', org: 'acme', jti: 'c01jd8xk3t0h5m2p7r9v4w6y8zb', action: 'dns.flush', params: {} },
  ...{ targets: 1, root: 'r'.repeat(43), iat: 1, exp: 2, timeoutMs: 1_000, dryRun: false },
  operator: { id: 'u1', name: 'Alice' },
};
const fits = (change: object): boolean => commandClaimsSchema.safeParse({ ...claims, ...change }).success;

describe('the claims of a command', () => {
  it('may have members that this version does not know, at every level', () => {
    const more = { later: 1, operator: { ...claims.operator, team: 'x' }, approver: { id: 'u2', name: 'Bob', x: [] } };
    expect(fits(more)).toBe(true);
    expect(commandClaimsSchema.parse({ ...claims, ...more })).toEqual({
      ...claims,
      approver: { id: 'u2', name: 'Bob' },
    });
  });

  it('leave out who did not approve and the reason that was not given: null does not fit', () => {
    expect([fits({}), fits({ approver: null }), fits({ reason: null })]).toEqual([true, false, false]);
  });

  it('may name the person behind a credential, within bounds', () => {
    const of = (person: unknown) => fits({ operator: { ...claims.operator, person } });
    expect([of('token:a'), of('x'.repeat(STANDING_CHARS + 1)), of(null)]).toEqual([true, false, false]);
  });
});
