import type { OrgId } from '@muster/protocol';
import type { OperatorTokenRecord } from '@muster/records';
import { describe, expect, test } from '@jest/globals';
import {
  hashOperatorToken,
  mintOperatorToken,
  operatorTokenMatches,
  parseOperatorToken,
  verifyOperatorToken,
} from './operator-token.js';

const NOW = 1_700_000_000_000;
const minted = mintOperatorToken();
const record: OperatorTokenRecord = {
  tokenId: minted.tokenId,
  org: 'acme' as OrgId,
  name: 'ci',
  role: 'analyst',
  hash: minted.hash,
  createdBy: 'ann',
  createdAtMs: NOW,
};

describe('operator token', () => {
  test('a token names its id, and can be selected with a double click', () => {
    expect(minted.token).toMatch(/^mst_[a-z2-7]{16}_[a-z2-7]{59}$/);
    expect(parseOperatorToken(minted.token)).toEqual({ ok: true, tokenId: minted.tokenId });
  });

  test('no two tokens are alike', () => {
    const many = Array.from({ length: 1_000 }, () => mintOperatorToken());
    expect(new Set(many.map(({ tokenId }) => tokenId)).size).toBe(1_000);
    expect(new Set(many.map(({ hash }) => hash)).size).toBe(1_000);
  });

  test('one mistyped character is detected without a look-up', () => {
    for (let at = 4; at < minted.token.length; at += 1) {
      const slipped = `${minted.token.slice(0, at)}${minted.token[at] === 'a' ? 'b' : 'a'}${minted.token.slice(at + 1)}`;
      expect(parseOperatorToken(slipped)).toMatchObject({ ok: false });
    }
    expect(parseOperatorToken(`${minted.token.slice(0, -1)}${minted.token.endsWith('a') ? 'b' : 'a'}`)).toEqual({
      ok: false,
      reason: 'bad_checksum',
    });
  });

  test.each([
    '',
    'mst_',
    'Bearer x',
    'eyJ.eyJ.x',
    `${minted.token} `,
    `${minted.token}\n`,
    minted.token.toUpperCase(),
    'a'.repeat(1_000_000),
  ])('text that is no token is malformed (%#)', (text) =>
    expect(parseOperatorToken(text)).toEqual({ ok: false, reason: 'malformed' }),
  );

  test('the stored hash does not reveal the token, and matches only this token', () => {
    expect(minted.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(hashOperatorToken(minted.token)).toBe(minted.hash);
    expect(operatorTokenMatches(minted.token, minted.hash)).toBe(true);
    expect(operatorTokenMatches(mintOperatorToken().token, minted.hash)).toBe(false);
    expect(operatorTokenMatches(minted.token, '')).toBe(false);
    expect(operatorTokenMatches(minted.token, 'zz')).toBe(false);
  });

  test('a good token becomes a principal with the bounds of its record', () => {
    expect(verifyOperatorToken(minted.token, record, NOW)).toEqual({
      ok: true,
      principal: { kind: 'token', id: minted.tokenId, name: 'ci', org: 'acme', role: 'analyst' },
    });
    const bounded = { ...record, selector: 'env=prod', expiresAtMs: NOW + 1 };
    expect(verifyOperatorToken(minted.token, bounded, NOW)).toMatchObject({
      principal: { selector: 'env=prod', expiresAtMs: NOW + 1 },
    });
  });

  test('unknown, revoked and expired are different results, for the right token only', () => {
    const reason = (text: string, kept: OperatorTokenRecord | undefined, nowMs = NOW) => {
      const result = verifyOperatorToken(text, kept, nowMs);
      return result.ok ? 'ok' : result.reason;
    };
    expect(reason(minted.token, undefined)).toBe('unknown');
    expect(reason(mintOperatorToken().token, { ...record, revokedAtMs: NOW })).toBe('unknown');
    expect(reason(minted.token, { ...record, revokedAtMs: NOW })).toBe('revoked');
    expect(reason(minted.token, { ...record, expiresAtMs: NOW })).toBe('expired');
    expect(reason(minted.token, { ...record, expiresAtMs: NOW }, NOW - 1)).toBe('ok');
  });
});
