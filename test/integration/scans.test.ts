import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { muster } from '../kit/cli.js';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { sarifFaults } from '../kit/sarif-validator.js';
import { Fleet } from '../simulator/index.js';

const BASELINE = fileURLToPath(new URL('../../../shared/packs/shipped/linux-baseline.yaml', import.meta.url));

/** Checks whose outcomes are known, and such as a hostile pack may have. */
const OWN = `kind: muster/pack
format: 1
id: own
version: 1.0.0
title: Own checks
checks:
  - { id: passes, title: Passes, severity: high, platforms: [linux], sql: SELECT name FROM os_version, row_means: pass }
  - id: fails
    title: Fails
    severity: medium
    platforms: [linux]
    sql: SELECT 'a' || char(27) || '[2J' AS word
    row_means: fail
    evidence: [word]
    remediation: Say what it is.
    action: { name: agent.set_labels, params: { set: { mended: 'yes' } } }
  - { id: not-here, title: Not here, severity: high, platforms: [linux], applies_if: SELECT 1 WHERE 0, sql: SELECT 1, row_means: fail }
  - { id: elsewhere, title: Elsewhere, severity: high, platforms: [windows], sql: SELECT 1, row_means: fail }
  - id: endless
    title: Endless
    severity: low
    platforms: [linux]
    sql: WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n
    row_means: fail
  - { id: huge, title: Huge, severity: low, platforms: [linux], sql: SELECT hex(zeroblob(100000)) AS x, row_means: fail }
  - { id: last, title: Last, severity: info, platforms: [linux], sql: SELECT 1 WHERE 0, row_means: fail }
`;
/** The same without the check that computes until its time is over, for scans where that is not the point. */
const QUICK = OWN.replace('id: own', 'id: quick').replace(/ {2}- id: endless\n(?: {4}.*\n)+/, '');

interface Counts extends Record<string, unknown> {
  readonly id: string;
}

let harness: Harness;
let folder: string;
let own: string;
let schedule: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-scans-'));
  own = join(folder, 'own.yaml');
  await writeFile(own, OWN);
  harness = await startHarness({ postures: 2, restart: true });
  await harness.api.call('POST /v1/packs', { body: { text: QUICK } });
  const terms = { name: 'each minute', pack: 'quick', cron: '* * * * *', selector: 'channel=live,os=linux' };
  // What it starts is looked at when the other tests have been, as the shortest time between two scans is a minute.
  schedule = (await harness.api.call('POST /v1/schedules', { body: terms })).id;
  const limited = { MUSTER_AGENT_QUERY_TIME: '2s' };
  for (const channel of ['live', 'poll'])
    await harness.stack.addAgent({ env: { ...limited, MUSTER_LABELS: `channel=${channel}` } });
  const body = { selector: 'channel=poll', mode: 'poll', interval: '1s' } as const;
  await harness.api.call('POST /v1/agents/mode', { body });
  await eventually(
    async () => (await harness.api.all('GET /v1/agents', { query: { selector: 'mode=poll' } })).length === 1,
  );
});
afterAll(async () => {
  await harness?.close();
  await rm(folder, { recursive: true, force: true });
});

const scan = async (...args: string[]) => {
  const { code, stdout, stderr } = await muster(harness, ['scan', ...args, '-o', 'json']);
  if (stdout === '') throw new Error(stderr);
  return { code, found: JSON.parse(stdout) };
};
/** A scan whose exit code is not the point. */
const scanned = async (pack: string, selector = '') => {
  const { id } = await harness.api.call('POST /v1/scans', { body: { pack, selector, timeout: '3m' } });
  return eventually(
    async () => {
      const now = await harness.api.call('GET /v1/scans/{id}', { params: { id } });
      if (!now.recorded) throw new Error('it is not counted');
      return now;
    },
    'the scan is kept',
    60_000,
  );
};
const outcomes = (found: { checks: Counts[] }): Record<string, string> =>
  Object.fromEntries(
    found.checks.map((check) => [
      check.id,
      ['pass', 'fail', 'error', 'not_applicable', 'over_budget', 'uncounted'].filter((one) => check[one] !== 0).join(),
    ]),
  );
const EXPECTED = {
  ...{ passes: 'pass', fails: 'fail', 'not-here': 'not_applicable', elsewhere: 'not_applicable' },
  ...{ endless: 'over_budget', huge: 'fail', last: 'pass' },
};

async function eachOutcome(channel: string): Promise<void> {
  const { code, found } = await scan('own', '--target', `channel=${channel}`, '--fail-on', 'high');
  expect(found).toMatchObject({ state: 'complete', recorded: true, ledger: { targeted: 1, answered: 1 } });
  expect(outcomes(found)).toEqual(EXPECTED);
  // 7 of 7 + 3 + 1: `info` counts nothing, and what has no verdict is in neither part.
  expect(found.score).toBe(63.64);
  expect(code).toBe(0);
  const findings = await muster(harness, ['scan', 'findings', found.id]);
  expect(findings.stdout).toContain('fails');
  expect(findings.stdout).not.toContain('\u001b');
  const before = await scanned('quick', `channel=${channel}`);
  expect(await scan('quick', '--target', `channel=${channel}`, '--fail-on', 'medium')).toMatchObject({
    code: 4,
    found: { previous: { id: before.id }, changes: { fails: [], mended: [], still: ['fails', 'huge'] } },
  });
}

describe('scans of real agents', () => {
  test('an admin applies packs, an analyst runs them; faults and other checks of one version are refused', async () => {
    expect(await muster(harness, ['pack', 'apply', own, BASELINE])).toMatchObject({ code: 0 });
    const { token } = await harness.api.call('POST /v1/tokens', { body: { name: 'ann', role: 'analyst' } });
    const ask = (path: string, body: object): Promise<Response> =>
      fetch(harness.stack.apiUrl + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await ask('/v1/packs', { text: OWN })).status).toBe(403);
    expect((await ask('/v1/scans', { pack: 'own', selector: 'channel=none' })).status).toBe(201);
    const refused = (text: string) =>
      harness.api.call('POST /v1/packs', { body: { text } }).catch(({ code, message }: Error & { code: string }) => ({
        ...{ code, message },
      }));
    expect(await refused(OWN.replace('SELECT name FROM os_version', 'SELECT name FROM os_versions'))).toMatchObject({
      ...{ code: 'bad_pack', message: expect.stringContaining('os_versions') },
    });
    expect(await refused(OWN.replace('WHERE 0, sql', 'WHERE 1, sql'))).toMatchObject({
      ...{ code: 'conflict', message: expect.stringContaining('new version') },
    });
  });

  test('each check has its outcome over live and over poll, also beside endless SQL and huge evidence', async () => {
    // At the same time: each has its own agent.
    await Promise.all(['live', 'poll'].map((channel) => eachOutcome(channel)));
  });

  test('the baseline of Linux: 87 outcomes on each endpoint', async () => {
    const found = await scanned('linux-baseline');
    expect(found).toMatchObject({ state: 'complete', ledger: { targeted: 2, answered: 2 } });
    expect(found.checks).toHaveLength(87);
    for (const { pass, fail, error, not_applicable, over_budget } of found.checks ?? [])
      expect(pass + fail + error + not_applicable + over_budget).toBe(2);
  });

  test('what a scan found: every endpoint, scores, and SARIF that a validator takes', async () => {
    const found = await scanned('quick');
    const endpoints = await harness.api.all('GET /v1/scans/{id}/endpoints', {
      ...{ params: { id: found.id }, query: { check: 'fails' } },
    });
    expect(endpoints).toEqual([
      expect.objectContaining({ outcome: 'fail' }),
      expect.objectContaining({ outcome: 'fail' }),
    ]);
    const { items, isWhole } = await harness.api.call('GET /v1/scans/{id}/scores', {
      ...{ params: { id: found.id }, query: { by: 'channel' } },
    });
    expect(isWhole).toBe(true);
    expect(items).toMatchObject([
      { endpoints: 1, score: 63.64, fail: 2 },
      { endpoints: 1, score: 63.64 },
    ]);
    expect(new Set(items.map(({ value }) => value))).toEqual(new Set(['live', 'poll']));
    const file = join(folder, 'found.sarif');
    await writeFile(file, (await muster(harness, ['scan', 'findings', found.id, '-o', 'sarif'])).stdout);
    const faults = await sarifFaults(file);
    if (faults !== undefined) expect(faults).toEqual([]);
    const csv = await muster(harness, ['scan', 'findings', found.id, '-o', 'csv']);
    const [head, ...lines] = csv.stdout.trim().split(/\r?\n/);
    expect(head).toMatch(/^pack,version,check,severity,/);
    expect(lines.map((line) => line.split(',').slice(0, 4).join())).toEqual([
      ...['quick,1.0.0,fails,medium', 'quick,1.0.0,huge,low'],
    ]);
    const headers = { authorization: `Bearer ${harness.stack.token}`, accept: 'application/x-ndjson' };
    const address = `${harness.stack.apiUrl}/v1/scans/${found.id}/findings`;
    const ocsf = await (await fetch(`${address}?format=ocsf`, { headers })).text();
    const events = ocsf.trimEnd().split('\n');
    expect(events.map((line) => JSON.parse(line) as object)).toMatchObject([
      { class_uid: 2003, compliance: { control: 'fails', status_id: 3 }, unmapped: { endpoints: 2 } },
      { class_uid: 2003, compliance: { control: 'huge', status_id: 3 } },
    ]);
  });

  test('an exception takes what fails out of the score, and its end brings it back', async () => {
    const create = ['exception', 'create', 'quick', 'fails', '--owner', 'ops', '--reason', 'known', '--until', '1d'];
    const made = await muster(harness, [...create, '--target', 'channel=live']);
    expect(made).toMatchObject({ code: 0 });
    const { found, code } = await scan('quick', '--fail-on', 'medium', '--target', 'channel=live');
    expect(found.checks.find(({ id }: Counts) => id === 'fails')).toMatchObject({ fail: 1, excepted: 1 });
    // 7 of 7 + 1.
    expect({ score: found.score, code }).toEqual({ score: 87.5, code: 0 });
    const mended = await muster(harness, ['scan', 'mend', found.id, 'fails', '--dry-run']);
    expect(mended).toMatchObject({ code: 2, stderr: expect.stringContaining('1 endpoint excepted') });
    expect(await scan('quick', '--fail-on', 'medium')).toMatchObject({ code: 4 });
    expect(await muster(harness, ['exception', 'delete', made.stdout.trim()])).toMatchObject({ code: 0 });
    expect(await scanned('quick', 'channel=live')).toMatchObject({
      ...{ score: 63.64, changes: { fails: ['fails'], mended: [] } },
    });
  });

  test('a schedule is kept with the rights of the posture service, and changed by who made it', async () => {
    const made = await muster(harness, [
      ...['schedule', 'create', 'nightly', '--pack', 'own'],
      ...['--cron', '0 2 * * *', '--tz', 'Europe/Berlin', '-o', 'json'],
    ]);
    expect(made).toMatchObject({ code: 0 });
    const { id, nextAt } = JSON.parse(made.stdout);
    expect(new Date(nextAt).getTime()).toBeGreaterThan(Date.now());
    expect(await muster(harness, ['schedule', 'pause', id])).toMatchObject({
      stdout: expect.stringContaining('paused'),
    });
    expect(await muster(harness, ['schedule', 'delete', id])).toMatchObject({ code: 0 });
    await expect(harness.api.call('GET /v1/schedules/{id}', { params: { id } })).rejects.toMatchObject({
      ...{ code: 'not_found' },
    });
  });

  test('a pack that schedules run is not removed; after its removal nobody runs it, and what it found is read', async () => {
    const id = 'removed';
    await harness.api.call('POST /v1/packs', { body: { text: QUICK.replace('id: quick', `id: ${id}`) } });
    const found = await scanned(id, 'channel=live');
    const nightly = await muster(harness, [
      'schedule',
      'create',
      'n',
      '--pack',
      id,
      '--cron',
      '0 2 * * *',
      '-o',
      'json',
    ]);
    const refused = await muster(harness, ['pack', 'remove', id, '-y']);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`schedules run ${id}: n; delete`) });
    const { id: schedule } = JSON.parse(nightly.stdout);
    expect(await muster(harness, ['schedule', 'delete', schedule])).toMatchObject({ code: 0 });
    const before = await muster(harness, ['scan', 'findings', found.id, '-o', 'ndjson']);
    expect(
      before.stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { check: string }).check),
    ).toEqual(['fails', 'huge']);
    expect(await muster(harness, ['pack', 'remove', id, '-y'])).toMatchObject({ code: 0 });
    expect(await muster(harness, ['scan', id])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no pack removed'),
    });
    expect(await muster(harness, ['scan', 'findings', found.id, '-o', 'ndjson'])).toEqual(before);
    const sarif = await muster(harness, ['scan', 'findings', found.id, '-o', 'sarif']);
    expect(JSON.parse(sarif.stdout)).toMatchObject({ runs: [{ results: expect.any(Array) }] });
    const { items } = await harness.api.call('GET /v1/audit', { query: { action: 'pack.remove', limit: 2 } });
    expect(items.map(({ outcome, details }) => [outcome, details?.['version']])).toEqual([
      ...[
        ['allowed', '1.0.0'],
        ['refused', undefined],
      ],
    ]);
  });

  test('gateways, query and posture services are killed in the middle of a scan: it is complete or interrupted, never wrong', async () => {
    const { stack, api } = harness;
    const { id } = await api.call('POST /v1/scans', { body: { pack: 'own' } });
    for (const program of [...stack.gateways, ...stack.queries, ...stack.postures]) program.signal('SIGKILL');
    const found = await eventually(
      async () => {
        const now = await api.call('GET /v1/scans/{id}', { params: { id } });
        if (!now.recorded) throw new Error('it is not counted');
        return now;
      },
      'the scan is kept',
      60_000,
    );
    expect(['complete', 'interrupted']).toContain(found.state);
    const { targeted, answered, waiting } = found.ledger;
    if (found.state === 'complete') expect({ targeted, waiting }).toEqual({ targeted: 2, waiting: 0 });
    for (const check of found.checks ?? []) {
      const { pass, fail, error, not_applicable, over_budget, uncounted } = check;
      expect([check.id, pass + fail + error + not_applicable + over_budget + uncounted]).toEqual([check.id, answered]);
    }
    // What was counted is what each endpoint says: nothing was counted twice, or as another outcome.
    const wrong = Object.entries(outcomes(found as never)).filter(
      ([check, outcome]) => outcome !== '' && outcome !== EXPECTED[check as keyof typeof EXPECTED],
    );
    expect(wrong).toEqual([]);
    await eventually(
      async () => {
        // What lists say may be of before the kill.
        const body = { sql: 'SELECT 1 AS one', timeout: '10s' } as const;
        const { ledger } = await api.call('POST /v1/queries', { query: { wait: '20s' }, body });
        expect(ledger).toMatchObject({ targeted: 2, answered: 2 });
        return true;
      },
      'both are back',
      120_000,
    );
  });

  // None of them is in the way of a scan: the query service asks, and gateways answer it.
  test.each(['postures', 'apis', 'commands'] as const)(
    '%s are killed in the middle of a scan: it is complete all the same',
    async (kind) => {
      // The services of the test before start again.
      const { id } = await eventually(
        () => harness.api.call('POST /v1/scans', { body: { pack: 'own' } }),
        'a scan',
        60_000,
      );
      for (const program of harness.stack[kind]) program.signal('SIGKILL');
      await eventually(
        async () => {
          const found = await harness.api.call('GET /v1/scans/{id}', { params: { id } });
          const missing = await harness.api.all('GET /v1/queries/{id}/endpoints', { params: { id } });
          expect({ ...found, missing }).toMatchObject({
            ...{ recorded: true, state: 'complete', ledger: { answered: 2 }, missing: [] },
          });
          expect(outcomes(found as never)).toEqual(EXPECTED);
          return true;
        },
        'the scan is kept',
        60_000,
      );
    },
  );

  test('a schedule starts a scan by itself, in the name of who made it', async () => {
    const params = { id: schedule };
    const firing = await eventually(
      async () => {
        const { firings } = await harness.api.call('GET /v1/schedules/{id}', { params });
        const started = firings.find(({ result }) => result === 'started');
        if (started === undefined) throw new Error(`there is none among ${JSON.stringify(firings)}`);
        return started;
      },
      'a scan is started',
      150_000,
    );
    expect(new Date(firing.dueAt).getTime() % 60_000).toBe(0);
    await harness.api.call('PATCH /v1/schedules/{id}', { params, body: { state: 'paused' } });
    const { createdBy } = await harness.api.call('GET /v1/schedules/{id}', { params });
    await eventually(
      async () => {
        const found = await harness.api.call('GET /v1/scans/{id}', { params: { id: firing.scan ?? '' } });
        expect(found).toMatchObject({ recorded: true, pack: { id: 'quick' }, selector: 'channel=live,os=linux' });
        expect(found.operator).toEqual(createdBy);
        return true;
      },
      'its scan is kept',
      60_000,
    );
  });

  test('endpoints that run no packs are refused, and not silent', async () => {
    const fleet = new Fleet({ ...fleetOptions(harness), agents: 5, labels: { channel: 'simulated' } });
    await fleet.start();
    try {
      const { code, found } = await scan('quick', '--target', 'channel=simulated', '--fail-on', 'high');
      expect(found).toMatchObject({ state: 'complete', ledger: { targeted: 5, refused: 5 } });
      expect(found.score).toBeUndefined();
      expect(code).toBe(3);
    } finally {
      await fleet.stop();
    }
  });
});
