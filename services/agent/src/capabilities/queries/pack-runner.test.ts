import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { encodeChecks } from '@muster/packs/checks';
import { decodeRows, FRAME, type PackClaims, scanAnswerFault } from '@muster/protocol';
import { BUDGET, createAgent, FOREVER } from '../../testing/query-fixture.js';

const COLUMNS = ['check', 'outcome', 'reason', 'evidence'];
const PLATFORMS: ['linux', 'windows', 'darwin'] = ['linux', 'windows', 'darwin'];

function packOf(...statements: readonly (string | object)[]) {
  const checks = statements.map((one, n) => ({
    ...{ id: `c${n}`, title: 'C', severity: 'low' as const, platforms: PLATFORMS, row_means: 'fail' as const },
    ...(typeof one === 'string' ? { sql: one } : { sql: 'SELECT 1', ...one }),
  }));
  const { bytes, hash } = encodeChecks(checks);
  const claims: PackClaims = {
    ...{ iss: 'muster', org: 'acme', pack: 'own', version: '1.0.0', hash, checks: checks.length, iat: 1 },
    operator: { id: 'o', name: 'O' },
  };
  return { bytes, claims };
}

function agentWith(pack: ReturnType<typeof packOf>, options: Partial<Parameters<typeof createAgent>[0]> = {}) {
  const agent = createAgent({ trust: { verifyPack: () => ({ ok: true, claims: pack.claims }) }, ...options });
  const scan = (ref: number, bytes: Uint8Array | undefined = pack.bytes, body = {}): void => {
    agent.ask(ref, 'SCAN own', COLUMNS, { pack: { jws: 'j', keys: 'k' }, ...body });
    if (bytes !== undefined) agent.handler.frames.pack!({ checks: bytes }, ref);
  };
  const outcomes = async (ref: number) => (await rows(ref)).map(([, outcome, reason]) => [outcome, reason]);
  const rows = async (ref: number) => {
    const { frames, ...end } = await agent.outcome(ref);
    if (frames === undefined) throw new Error(JSON.stringify(end));
    const bytes = Buffer.concat(frames.filter(({ type }) => type === FRAME.rows).map(({ body }) => body));
    expect(scanAnswerFault(bytes, pack.claims.checks)).toBeUndefined();
    return decodeRows(bytes, 4);
  };
  return { agent, scan, rows, outcomes };
}

describe('packs at the agent', () => {
  test('a pack that nobody vouched for does not run, and is not asked for', async () => {
    const pack = packOf('SELECT 1');
    const { agent, scan } = agentWith(pack, {
      trust: { verifyPack: () => ({ ok: false, message: 'the key that signed the pack is retired' }) },
    });
    scan(1);
    expect(await agent.outcome(1)).toMatchObject({ outcome: 'refused', code: 'pack_not_trusted' });
    expect(agent.sent.map(({ type }) => type)).toEqual([FRAME.queryEnd]);
  });

  test('the checks are asked for once, kept by their hash, and every check has a row', async () => {
    const pack = packOf(
      'SELECT 1 AS one',
      'SELECT 1 WHERE 0',
      { applies_if: 'SELECT 1 WHERE 0' },
      { not_applicable: 'a command', sql: undefined },
    );
    const { agent, scan, rows } = agentWith(pack);
    scan(1);
    expect(await rows(1)).toEqual([
      [0, 'fail', null, '[{"one":1}]'],
      [1, 'pass', null, null],
      [2, 'not_applicable', 'what it checks is not on this endpoint', null],
      [3, 'not_applicable', 'a command', null],
    ]);
    expect(agent.sent.filter(({ type }) => type === FRAME.packWanted)).toHaveLength(1);
    expect(existsSync(join(agent.folder, 'packs', `${pack.claims.hash}.pack`))).toBe(true);
    agent.ask(2, 'SCAN own', COLUMNS, { pack: { jws: 'j', keys: 'k' } });
    expect(await rows(2)).toHaveLength(4);
    expect(agent.sent.filter(({ type }) => type === FRAME.packWanted)).toHaveLength(1);
  });

  test.each([
    ['bytes of another hash', packOf('SELECT 2').bytes, 'not those that were signed'],
    ['none', new Uint8Array(), 'the gateway cannot get them'],
  ])('checks that are not the signed ones do not run: %s', async (_what, bytes, why) => {
    const { agent, scan } = agentWith(packOf('SELECT 1'));
    scan(1, bytes);
    expect(await agent.outcome(1)).toMatchObject({
      outcome: 'error',
      code: 'no_checks',
      message: expect.stringContaining(why),
    });
  });

  test('a check that does not end costs its own time only, and what has no time left says so', async () => {
    const { scan, outcomes } = agentWith(packOf(FOREVER, 'SELECT 1 WHERE 0'), { checkMs: 200 });
    scan(1);
    expect(await outcomes(1)).toEqual([
      ['over_budget', expect.stringContaining('ran longer')],
      ['pass', null],
    ]);
    const short = agentWith(packOf(FOREVER, 'SELECT 1 WHERE 0'));
    short.scan(1, undefined, { budget: { ...BUDGET, ms: 200 } });
    expect(await short.outcomes(1)).toEqual([
      ['over_budget', expect.any(String)],
      ['over_budget', expect.stringContaining('used up')],
    ]);
  });

  test('a check that ends its worker or hangs in it has an outcome, and the next one runs in another process', async () => {
    const pack = packOf('SELECT n FROM exits', 'SELECT 1 WHERE 0', 'SELECT n FROM blocks', 'SELECT 1 WHERE 0');
    const { scan, outcomes } = agentWith(pack, { env: {}, checkMs: 5_000 });
    scan(1, undefined, { remainingMs: 100_000, budget: { ...BUDGET, ms: 60_000 } });
    expect(await outcomes(1)).toEqual([
      ['error', expect.stringContaining('exit code 7')],
      ['pass', null],
      ['over_budget', expect.any(String)],
      ['pass', null],
    ]);
  });

  test('no text of a check is longer than a gateway takes', async () => {
    const { scan, rows } = agentWith(
      packOf('SELECT hex(zeroblob(100000)) AS x, char(27) AS y', 'SELECT * FROM no_such_table'),
    );
    scan(1);
    const [huge, failed] = await rows(1);
    expect(String(huge?.[3]).length).toBeLessThanOrEqual(2_048);
    expect(failed).toMatchObject([1, 'error', expect.any(String), null]);
  });

  test('a scan that is cancelled sends nothing', async () => {
    const { agent, scan, rows } = agentWith(packOf(FOREVER));
    scan(1);
    agent.cancel(1);
    const other = agentWith(packOf('SELECT 1'));
    other.scan(2);
    await other.rows(2);
    expect(agent.sent.filter(({ type }) => type !== FRAME.packWanted)).toEqual([]);
    void rows;
  });
});
