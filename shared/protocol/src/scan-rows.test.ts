import { describe, expect, it } from '@jest/globals';
import { encodeCbor } from './cbor.js';
import { LIMITS } from './limits.js';
import { encodeScanRow, scanAnswerFault } from './scan-rows.js';

const row = (check: number, change = {}): Uint8Array =>
  encodeScanRow({ check, outcome: 'pass', reason: null, evidence: null, ...change });
const answer = (...rows: Uint8Array[]): Uint8Array => Buffer.concat(rows);

describe('the answer to a pack', () => {
  it('has each check once, in its sequence', () => {
    expect(scanAnswerFault(answer(row(0), row(1), row(2)), 3)).toBeUndefined();
  });

  it.each<[string, Uint8Array]>([
    ['none', answer()],
    ['one left out', answer(row(0), row(2))],
    ['one too many', answer(row(0), row(1), row(2), row(2))],
    ['one twice', answer(row(0), row(1), row(1))],
    ['another sequence', answer(row(1), row(0), row(2))],
    ['a check that the pack does not have', answer(row(0), row(1), row(3))],
    ['a made-up outcome', answer(row(0), row(1), row(2, { outcome: 'excellent' }))],
    ['no number', answer(row(0), row(1), encodeCbor(['2', 'pass', null, null]))],
    ['a number as evidence', answer(row(0), row(1), encodeCbor([2, 'fail', null, 7]))],
    [
      'too long a reason',
      answer(row(0), row(1), encodeCbor([2, 'error', 'x'.repeat(LIMITS.checkReasonChars + 1), null])),
    ],
    [
      'too much evidence',
      answer(row(0), row(1), encodeCbor([2, 'fail', null, 'x'.repeat(LIMITS.checkEvidenceChars + 1)])),
    ],
    ['a column more', answer(row(0), row(1), encodeCbor([2, 'pass', null, null, 1]))],
    ['rubbish', Buffer.from('ff00', 'hex')],
  ])('is refused: %s', (_what, rows) => {
    expect(scanAnswerFault(rows, 3)).toEqual(expect.any(String));
  });

  it('has bounded evidence in all', () => {
    const checks = Math.ceil(LIMITS.scanEvidenceChars / LIMITS.checkEvidenceChars) + 1;
    const full = Array.from({ length: checks }, (_, n) =>
      row(n, { outcome: 'fail', evidence: 'x'.repeat(LIMITS.checkEvidenceChars) }),
    );
    expect(scanAnswerFault(answer(...full), checks)).toBe('it has too much evidence');
  });

  it('is made with texts that fit', () => {
    const long = row(0, { reason: 'x'.repeat(5_000), evidence: '\u{1f600}'.repeat(5_000) });
    expect(scanAnswerFault(long, 1)).toBeUndefined();
  });
});
