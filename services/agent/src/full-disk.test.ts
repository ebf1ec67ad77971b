import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeRows } from '@muster/protocol';
import { SmallDisk } from '@muster/runtime/testing';
import { outcomeOf, ProgramFixture } from './testing/program-fixture.js';

const missing = SmallDisk.missing();
if (missing !== undefined) process.stderr.write(`full disks are not tested: ${missing}\n`);
const withDisk = missing === undefined ? describe : describe.skip;

withDisk('the agent program on a disk that is full', () => {
  let disk: SmallDisk;
  let fixture: ProgramFixture;
  beforeEach(async () => {
    disk = SmallDisk.mount(1024 * 1024);
    fixture = await ProgramFixture.open(disk.path);
  });
  afterEach(async () => {
    await fixture.close();
    disk.end();
  });

  test('starts after it was killed, answers, waits with a command and says why, and runs it once there is room', async () => {
    const first = fixture.start();
    await fixture.session();
    await first.kill();
    disk.fill();
    for (let i = 0; i < 2; i += 1) {
      const again = fixture.start();
      await fixture.session();
      await again.kill();
    }
    const names = readdirSync(fixture.dataDir).filter((name) => name.startsWith('agent.lock'));
    expect(names).toEqual(['agent.lock']);

    const last = fixture.start();
    const { session } = await fixture.session();
    session.query(1, { sql: 'SELECT 1 AS one', columns: ['one'] });
    expect(decodeRows((await session.answer())[0]!, 1)).toEqual([[1]]);
    const order = fixture.setLabel('env', 'prod');
    session.command(order);
    expect(await session.report()).toMatchObject({ id: order.id, state: 'accepted', code: 'ledger_unavailable' });
    disk.free();
    const ended = await outcomeOf(session);
    expect(ended).toMatchObject({ id: order.id, state: 'succeeded', effects: ['set env=prod'] });
    session.confirmReport(order);
    const { hello } = await fixture.session();
    expect(hello.labels).toEqual({ env: 'prod' });
    await last.stop();
  });

  test('forgets what it waited with when it is killed: delivered again, the command runs, and nothing else was told of it', async () => {
    const first = fixture.start();
    const { session } = await fixture.session();
    disk.fill();
    const order = fixture.setLabel('env', 'prod');
    session.command(order);
    expect(await session.report()).toMatchObject({ state: 'accepted', code: 'ledger_unavailable' });
    await first.kill();
    disk.free();
    fixture.start();
    const { session: again } = await fixture.session();
    again.command(order);
    expect(await outcomeOf(again)).toMatchObject({ id: order.id, state: 'succeeded' });
  });

  test('without an identity does not start, says why, and leaves nothing half written', async () => {
    disk.fill();
    const program = fixture.start();
    expect(await program.exited).not.toBe(0);
    expect(program.output).toContain('ENOSPC');
    disk.free();
    fixture.start();
    await fixture.session();
    expect(readdirSync(fixture.dataDir).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
