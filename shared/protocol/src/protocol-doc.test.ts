import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { CLOSE } from './close-codes.js';
import { ERROR_CODES } from './errors.js';
import { FRAME } from './frames.js';
import { LIMITS } from './limits.js';

const documentation = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

/** The rows of all tables, cells trimmed, code marks taken off. */
const rows = documentation
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );

describe('docs/protocol.md agrees with the code about', () => {
  it('close codes: each one, whether to come back, and what it means', () => {
    const shown = rows.filter(([code, name]) => /^\d{4}$/.test(code ?? '') && /^[a-zA-Z]+$/.test(name ?? ''));
    const expected = Object.entries(CLOSE).map(([name, { code, reconnect, meaning }]) => [
      String(code),
      name,
      reconnect ? 'come back' : 'stay away',
      meaning,
    ]);
    expect(shown).toEqual(expected);
  });

  it('limits', () => {
    const shown = rows.filter(([name]) => name !== undefined && Object.hasOwn(LIMITS, name));
    expect(shown.length).toBeGreaterThan(15);
    for (const [name, value] of shown) expect([name, Number(value)]).toEqual([name, LIMITS[name as 'labels']]);
  });

  it('types of frames', () => {
    const shown = rows.filter(([type]) => /^0x[0-9a-f]{2}$/.test(type ?? ''));
    expect(shown.map(([type]) => Number(type))).toEqual(Object.values(FRAME));
    for (const [type, , from] of shown) expect(from).toBe(Number(type) < 0x80 ? 'gateway' : 'agent');
  });

  it('statuses of refusals', () => {
    const known = rows.filter(([status, code]) => /^\d{3}$/.test(status ?? '') && code !== undefined);
    expect(known.length).toBeGreaterThan(5);
    for (const [status, codes = ''] of known) {
      for (const code of codes.split(', '))
        expect([code, ERROR_CODES[code as 'revoked'].status]).toEqual([code, Number(status)]);
    }
  });
});
