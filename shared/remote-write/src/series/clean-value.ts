/** Label values are longer than this only where an endpoint wants it so. */
export const MAX_LABEL_VALUE_CHARACTERS = 128;

const PLAIN = /^[\x20-\x7e]*$/;
// C0 and C1 controls, line and paragraph separators, and the marks that reverse or hide text in a dashboard.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g; // oxlint-disable-line no-control-regex -- they are what is removed

/**
 * A label value as it is written: well-formed UTF-16, so that it is valid UTF-8 on the wire, without control and
 * direction characters, and cut to {@link MAX_LABEL_VALUE_CHARACTERS} UTF-16 units, never within a character.
 */
export function cleanLabelValue(value: string): string {
  if (value.length <= MAX_LABEL_VALUE_CHARACTERS && PLAIN.test(value)) return value;
  // What is removed counts: a value is never looked at beyond four times what is kept.
  const cleaned = value
    .slice(0, 4 * MAX_LABEL_VALUE_CHARACTERS)
    .replaceAll(UNSAFE, '')
    .toWellFormed();
  if (cleaned.length <= MAX_LABEL_VALUE_CHARACTERS) return cleaned;
  const cut = cleaned.slice(0, MAX_LABEL_VALUE_CHARACTERS);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}
