import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Identity } from '../agent/identity.js';
import { readIdentities, writeIdentities } from './identity-file.js';

const HOUR_MS = 3_600_000;
const identity = (agentId: string, hours = 2): Identity => ({
  ...{ agentId, num: 1, token: `token of ${agentId}`, publicKeyX: 'x', trust: [] },
  expiresAtMs: Date.now() + hours * HOUR_MS,
});
const fleet = { org: 'acme', seed: 1 };

describe('the file of identities', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-identities-'));
    path = join(folder, 'keys.json');
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const idsOf = (org = 'acme', seed = 1) =>
    [...readIdentities(path, org, seed)].map(([index, { agentId }]) => [index, agentId]);

  it('keeps what several processes write, each its own part, and gives all of it to each', () => {
    writeIdentities(path, { ...fleet, part: 0 }, new Map([[0, identity('a')]]));
    writeIdentities(path, { ...fleet, part: 1 }, new Map([[1, identity('b')]]));
    writeIdentities(path, { ...fleet, part: 0 }, new Map([[2, identity('c')]]));
    expect(idsOf().toSorted(([a], [b]) => Number(a) - Number(b))).toEqual([
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
    ]);
    // Two processes that write at once must not share a temporary file: its name is that of the part.
    expect(readdirSync(folder).toSorted()).toEqual(['keys.json.0', 'keys.json.1']);
    expect(statSync(`${path}.0`).mode & 0o777).toBe(0o600);
  });

  it('takes the token that is valid longer where two parts have an agent', () => {
    writeIdentities(path, { ...fleet, part: 0 }, new Map([[7, identity('later', 5)]]));
    writeIdentities(path, { ...fleet, part: 4 }, new Map([[7, identity('earlier', 2)]]));
    expect(idsOf()).toEqual([[7, 'later']]);
  });

  it('leaves out other fleets, tokens that expire soon, and files that are no part', () => {
    writeIdentities(path, fleet, new Map([[0, identity('soon', 0.5)]]));
    writeIdentities(`${path}.new`, fleet, new Map([[1, identity('no part')]]));
    expect(idsOf()).toEqual([]);
    writeIdentities(path, fleet, new Map([[0, identity('a')]]));
    expect([idsOf(), idsOf('other'), idsOf('acme', 2)]).toEqual([[[0, 'a']], [], []]);
    path = join(folder, 'not', 'there');
    expect(idsOf()).toEqual([]);
  });
});
