import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CLOSE } from './close-codes.js';
import { COMMAND_STATES } from './command-states.js';
import { ERROR_CODES } from './errors.js';
import { OUTCOMES } from './outcomes.js';

const page = readFileSync(fileURLToPath(new URL('../../../docs/failure-modes.md', import.meta.url)), 'utf8');

describe('docs/failure-modes.md', () => {
  it('has a section for every error code, with its status, and for no other', () => {
    const sections = [...page.matchAll(/^### (\w+)\n\n(\d{3})\. /gm)].map(([, code, status]) => [code, Number(status)]);
    expect(new Map(sections as [string, number][])).toEqual(
      new Map(Object.entries(ERROR_CODES).map(([code, { status }]) => [code, status])),
    );
  });

  it('explains every outcome', () => {
    for (const outcome of OUTCOMES) expect(page).toMatch(new RegExp(`^\\| \`${outcome}\` `, 'm'));
  });

  it('explains every state of a target', () => {
    for (const state of COMMAND_STATES) expect(page).toMatch(new RegExp(`^\\| \`${state}\` `, 'm'));
  });

  it('explains every close code that keeps an agent away', () => {
    for (const [reason, { code, reconnect }] of Object.entries(CLOSE)) {
      if (!reconnect) expect(page).toContain(`| ${code} \`${reason}\``);
    }
  });
});
