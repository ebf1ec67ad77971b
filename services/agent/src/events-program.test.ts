import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeBody, decodeRows, FRAME } from '@muster/protocol';
import { startAgentProgram } from './testing/agent-program.js';
import type { FakeSession } from './testing/fake-session.js';
import { OwnTracefs } from './testing/own-tracefs.js';
import { ProgramFixture } from './testing/program-fixture.js';

const missing = OwnTracefs.missing();
if (missing !== undefined) process.stderr.write(`skipped: no events of a kernel: ${missing}\n`);
const withTracefs = missing === undefined ? describe : describe.skip;

let fixture: ProgramFixture;
beforeEach(async () => void (fixture = await ProgramFixture.open(mkdtempSync(join(tmpdir(), 'muster-events-')))));
afterEach(async () => {
  await fixture.close();
  rmSync(fixture.folder, { recursive: true, force: true });
});

/** The rows of an answer that says that the recording began only now. */
async function rowsOf(session: FakeSession, sql: string, columns: string[]): Promise<unknown[][]> {
  session.query(1, { sql, columns, warnings: true });
  const { header, body } = await session.frame();
  const told = decodeBody('warnings', body);
  if (header.type !== FRAME.warnings || !told.ok) throw new Error(`frame ${header.type}`);
  expect(told.body.warnings).toMatchObject([
    { code: 'missed', message: expect.stringContaining('recording began only at') },
  ]);
  return (await session.answer()).flatMap((chunk) => decodeRows(chunk, columns.length));
}

withTracefs('events of the kernel that the agent program records', () => {
  let tracefs: OwnTracefs;
  beforeEach(() => {
    tracefs = new OwnTracefs();
    tracefs.mount();
  });
  afterEach(() => tracefs.end());

  test('are asked like a table; what a killed agent left is replaced, and nothing stays when it ends', async () => {
    const stranger = `muster-agent-${'0'.repeat(16)}`;
    mkdirSync(join(tracefs.path, 'instances', stranger));
    const before = tracefs.instances();
    const own = (): string[] =>
      tracefs.instances().filter((name) => /^muster-agent-[0-9a-f]{16}$/.test(name) && !before.includes(name));
    try {
      const env = { MUSTER_AGENT_EVENTS: 'process,socket' };
      const killed = fixture.start(env);
      const { session } = await fixture.session();
      const { pid } = spawnSync('/bin/true');
      const sql = `SELECT path FROM process_events WHERE pid = ${pid}`;
      expect(await rowsOf(session, sql, ['path'])).toEqual([['/bin/true']]);
      const [instance] = own();
      expect(own()).toHaveLength(1);
      await killed.kill();
      expect(own()).toEqual([instance]);

      const agent = fixture.start(env);
      const { session: next } = await fixture.session();
      expect(own()).toEqual([instance]);
      const { pid: second } = spawnSync('/bin/true');
      const both = `SELECT pid FROM process_events WHERE pid IN (${pid}, ${second})`;
      expect(await rowsOf(next, both, ['pid'])).toEqual([[second]]);
      agent.child.kill('SIGTERM');
      expect(await agent.exited).toBe(0);
      expect(own()).toEqual([]);
      expect(tracefs.instances()).toContain(stranger);
    } finally {
      await fixture.end();
      for (const name of [...own(), stranger]) rmdirSync(join(tracefs.path, 'instances', name));
    }
  });
});

describe('an agent that records no events', () => {
  test('nor has `muster-agent sql` any, which is not the agent that runs', async () => {
    const program = startAgentProgram(['sql', 'SELECT * FROM socket_events']);
    expect([await program.exited, program.output]).toEqual([
      1,
      expect.stringContaining('socket_events: only the running agent'),
    ]);
  });

  test('says so, instead of answering that nothing happened', async () => {
    fixture.start();
    const { session } = await fixture.session();
    session.query(1, { sql: 'SELECT path FROM process_events', columns: ['path'] });
    expect(await session.queryEnd()).toMatchObject({
      ...{ outcome: 'refused', code: 'table_unavailable' },
      message: expect.stringContaining('MUSTER_AGENT_EVENTS'),
    });
  });
});
