import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { PLANTED } from './faults.js';

const ROOT = new URL('../../../../', import.meta.url);

describe('a planted fault', () => {
  it.each(PLANTED)('fits the code as it is now: $name', ({ edits }) => {
    for (const { file, is } of edits) expect(readFileSync(fileURLToPath(new URL(file, ROOT)), 'utf8')).toContain(is);
  });
});
