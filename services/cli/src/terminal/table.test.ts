import { expect, test } from '@jest/globals';
import stringWidth from 'string-width';
import { cutToWidth, fitWidths, renderTable, styleFor, TableWriter } from './table.js';

const style = styleFor(false, {});

test('wide characters take two cells, and columns stay in line', () => {
  const rows = [
    ['東京', 'a'],
    ['x', 'b'],
    ['👩‍💻', 'c'],
  ];
  expect(renderTable({ headers: ['host', 'v'], width: undefined, style }, rows)).toBe(
    'HOST  V\n東京  a\nx     b\n👩‍💻    c\n',
  );
});

test('no line is wider than the terminal, and cut text ends with an ellipsis', () => {
  const rows = [['short', 'x'.repeat(100), '漢'.repeat(50)]];
  const lines = renderTable({ headers: ['a', 'b', 'c'], width: 40, style }, rows).split('\n');
  for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(40);
  expect(lines[1]).toMatch(/^short {2}x+… {2}漢+…$/);
});

test('one long value pads no other line where lines are not cut', () => {
  const long = 'x'.repeat(253);
  const lines = renderTable({ headers: ['host', 'os'], width: undefined, style }, [
    [long, 'linux'],
    ['short', 'linux'],
  ]);
  expect(lines.split('\n')).toEqual([`HOST${' '.repeat(38)}OS`, `${long}  linux`, `short${' '.repeat(37)}linux`, '']);
});

test('the widest columns become narrower first', () => {
  expect(fitWidths([4, 10, 100], 60)).toEqual([4, 10, 42]);
  expect(fitWidths([50, 50], 42)).toEqual([20, 20]);
  expect(fitWidths([4, 5], 80)).toEqual([4, 5]);
});

test('a character of two cells is not cut in half', () => {
  expect(cutToWidth('漢字漢字', 6)).toBe('漢字…');
  expect(cutToWidth('e\u0301e\u0301e\u0301', 2)).toBe('e\u0301…');
});

test('rows are printed before all are known', () => {
  const table = new TableWriter({ headers: ['n'], width: undefined, style });
  const printed = Array.from({ length: 501 }, (_, i) => table.add([String(i)]));
  expect(printed.slice(0, 499).join('')).toBe('');
  expect(printed[499]).toMatch(/^N\n0\n/);
  expect(printed[500]).toBe('500\n');
  expect(table.end()).toBe('');
});

test('colours are for terminals that want them', () => {
  expect(styleFor(true, {}).red('x')).toBe('\u001b[31mx\u001b[0m');
  expect(styleFor(true, { NO_COLOR: '1' }).red('x')).toBe('x');
  expect(styleFor(true, { TERM: 'dumb' }).red('x')).toBe('x');
  expect(styleFor(false, {}).red('x')).toBe('x');
});

test('ids and hosts are cut last, and never both', () => {
  const headers = ['id', 'host', 'why'];
  const row = ['q'.repeat(27), 'h'.repeat(30), 'w'.repeat(60)];
  const line = (width: number): string => renderTable({ headers, width, style }, [row]).split('\n')[1] ?? '';
  expect(line(80)).toBe(`${row[0]}  ${row[1]}  ${'w'.repeat(18)}…`);
  expect(line(50)).toBe(`${row[0]}  ${'h'.repeat(12)}…  wwwww…`);
  expect(line(30)).toContain('hhhhh…');
});

test('a row is a line for each value when that is asked for, or the terminal is too narrow', () => {
  const headers = ['host', 'name', 'path'];
  const rows = [
    ['web-1', 'a\nb', '/x'.repeat(20)],
    ['web-2', 'c', ''],
  ];
  const vertical = `-[ 1 ]----\nhost | web-1\nname | a\\nb\npath | ${'/x'.repeat(20)}\n-[ 2 ]----\nhost | web-2\nname | c\npath |\n`;
  expect(renderTable({ headers, width: undefined, style, vertical: 'always' }, rows)).toBe(vertical);
  expect(renderTable({ headers, width: 20, style, vertical: 10 }, rows)).toBe(vertical);
  expect(renderTable({ headers, width: 40, style, vertical: 10 }, rows)).toMatch(/^HOST /);
  expect(renderTable({ headers, width: undefined, style, vertical: 10 }, rows)).toMatch(/^HOST /);
});
