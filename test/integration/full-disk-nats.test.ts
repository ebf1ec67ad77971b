import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import type { CommandJson } from '@muster/api-contract';
import { eventually, SmallDisk } from '@muster/runtime/testing';
import { muster } from '../kit/cli.js';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { smallStoreSettings, startSmallBrokers } from '../kit/small-store.js';
import { Fleet } from '../simulator/index.js';

const AGENTS = 20;
const ABSENT = 3;
const DISK_BYTES = 64 * 1024 * 1024;
/** As an operator must not do it: more than the disk has. */
const STORE_BYTES = 2 * DISK_BYTES;
const SQL = 'SELECT hostname FROM system_info';
/** A problem is an answer here. */
const ONCE = { retry: { attempts: 1 } };

const missing = SmallDisk.missing();
if (missing !== undefined) process.stderr.write(`NATS on a full disk is not tested: ${missing}\n`);
const withDisk = missing === undefined ? describe : describe.skip;

withDisk('a NATS whose disk is full below its max_file_store, while everything runs', () => {
  let disk: SmallDisk;
  let harness: Harness;
  let fleet: Fleet;

  beforeAll(async () => {
    disk = SmallDisk.mount(DISK_BYTES);
    harness = await startHarness({ env: smallStoreSettings(STORE_BYTES) }, () =>
      startSmallBrokers(STORE_BYTES, disk.path),
    );
    fleet = new Fleet({ ...fleetOptions(harness), agents: AGENTS });
    await fleet.start();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS);
  });
  afterAll(async () => {
    await fleet?.stop();
    await harness?.close();
    disk?.end();
  });

  const command = (id: string): Promise<CommandJson> => harness.api.call('GET /v1/commands/{id}', { params: { id } });
  const rows = (id: string) => harness.api.all('GET /v1/queries/{id}/rows', { params: { id }, pageSize: 1_000 });
  const submit = (reason = '-') =>
    harness.api.call('POST /v1/commands', {
      body: { action: 'dns.flush', params: {}, target: { selector: '' }, reason },
      ...ONCE,
    });
  const startQuery = () => harness.api.call('POST /v1/queries', { body: { sql: SQL, timeout: '5s' }, ...ONCE });
  /** NATS stands still for a write of this length: nothing that was cut is on the disk. */
  const long = 'r'.repeat(400);
  const succeeded = (id: string, count: number) =>
    eventually(async () => (await command(id)).ledger?.succeeded === count, 'outcomes are known', 60_000);
  async function isAudited(): Promise<boolean> {
    const { code, stdout } = await muster(harness, ['audit', 'verify', '-o', 'json']);
    if (code !== 0 && stdout === '') return false;
    const { faults, journal } = JSON.parse(stdout) as { faults: []; journal: { pending: number; faults: [] } };
    expect([faults, journal.faults]).toEqual([[], []]);
    return journal.pending === 0;
  }

  it('does not accept what is new, and goes on with all that it accepted once there is room and NATS was restarted', async () => {
    const kept = await runQuery(harness.api, { sql: SQL, timeout: '5s' });
    const keptRows = await rows(kept.id);
    expect(keptRows).toHaveLength(AGENTS);
    const absent = fleet.agents.slice(0, ABSENT);
    for (const agent of absent) agent.kill();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS - ABSENT);
    const open = await submit();
    await succeeded(open.id, AGENTS - ABSENT);

    disk.fill();
    const accepted: string[] = [];
    // What fits into blocks of the file system that NATS has already is still taken.
    let problem: unknown;
    for (let n = 0; n < 500 && problem === undefined; n += 1) {
      await submit(long).then(
        ({ id }) => accepted.push(id),
        (error: unknown) => (problem = error),
      );
    }
    // It may be on the disk and it may not, and that is what the caller is told.
    expect(problem).toMatchObject({ problem: { code: expect.stringMatching(/^(timeout|broker_unavailable)$/) } });
    const refused = await startQuery().catch((error: unknown) => error);
    process.stderr.write(`told: ${String(problem)}; ${String(refused)}\n`);
    expect(refused).toMatchObject({ problem: { code: expect.stringMatching(/^(timeout|broker_unavailable)$/) } });

    // What needs no stream goes on.
    expect(await harness.api.all('GET /v1/agents')).toHaveLength(AGENTS);
    expect(fleet.count('ready')).toBe(AGENTS - ABSENT);

    disk.free();
    await harness.brokers.nats.kill9();
    await harness.brokers.nats.restart();
    const sinceMs = performance.now();
    await eventually(async () => (await submit().catch(() => undefined)) !== undefined, 'commands are taken', 90_000);
    process.stderr.write(`commands are taken ${Math.round(performance.now() - sinceMs)} ms after the restart\n`);
    expect(await rows(kept.id)).toEqual(keptRows);
    for (const agent of absent) agent.revive();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS);
    for (const id of [open.id, ...accepted]) {
      await eventually(async () => (await command(id)).status === 'ended', `${id} ended`, 120_000);
      expect((await command(id)).ledger).toMatchObject({ targeted: AGENTS, succeeded: AGENTS });
    }
    expect((await runQuery(harness.api, { sql: SQL, timeout: '5s' })).ledger).toMatchObject({ answered: AGENTS });
    await eventually(isAudited, 'the audit has everything', 120_000);
  }, 500_000);
});
