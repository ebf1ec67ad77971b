/** The first tokens of every subject on the broker. */
export const SUBJECT_ROOT = 'muster.v1';

/**
 * Checks one token of a subject. Tokens are ids from alphabets without dot, star or blank. Anything else throws `RangeError`, so that
 * no name from outside can widen a subject.
 */
export function subjectToken(text: string): string {
  if (!/^[a-zA-Z0-9_-]+$/.test(text)) throw new RangeError(`not a subject token: "${text.slice(0, 40)}"`);
  return text;
}
