import { expect, test } from '@jest/globals';
import { visible, visiblePieces } from './visible.js';

test('text that could hide or reorder others is written as escapes, and nothing else is changed', () => {
  expect(visible('plain Ünïcödé 日本 <b>&amp;</b>')).toBe('plain Ünïcödé 日本 <b>&amp;</b>');
  expect(visible('a\u202egpj.exe')).toBe('a\\u{202e}gpj.exe');
  expect(visible('\u2066x\u2069 \u200b\u00ad\ufeff')).toBe('\\u{2066}x\\u{2069} \\u{200b}\\u{ad}\\u{feff}');
  expect(visible('a\nb\tc\0\u001b[31m')).toBe('a\\nb\\tc\\0\\u{1b}[31m');
  expect(visible('\u{e0041}\ud800')).toBe('\\u{e0041}\\u{d800}');
});

test('pieces tell an escape from text that looks like one', () => {
  expect(visiblePieces('\\n\n')).toEqual([
    { text: '\\n', escaped: false },
    { text: '\\n', escaped: true },
  ]);
  expect(visiblePieces('')).toEqual([{ text: '', escaped: false }]);
});
