import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { agentIdFromPublicKey } from '@muster/identity/agent';
import { type AgentId, type CommandBody, decodeRows, FRAME, type ReportBody } from '@muster/protocol';
import type { TestProcess } from '@muster/testkit';
import { startAgentProgram } from './testing/agent-program.js';
import { CommandIssuer } from './testing/command-issuer.js';
import { FakeGateway } from './testing/fake-gateway.js';
import { FakePollSession } from './testing/fake-poll-session.js';
import type { FakeSession } from './testing/fake-session.js';
import { HungMount } from './testing/hung-mount.js';

const missing = HungMount.missing();
if (missing !== undefined) process.stderr.write(`skipped: no file system that does not answer: ${missing}\n`);
const withHungMount = missing === undefined ? describe : describe.skip;
/** What hangs is given up a second after this; what is told at once is told sooner, on a busy machine too. */
const QUERY_MS = 2_000;
/** Most of the time is waited for what hangs; some processes are started besides. */

let folder: string;
let issuer: CommandIssuer;
let agentId: AgentId;
const cleanups: (() => Promise<unknown> | void)[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-hung-'));
  issuer = await CommandIssuer.create(Date.now);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

async function mountHung(name = 'dead'): Promise<HungMount> {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  const mount = await HungMount.mount(path);
  cleanups.push(() => mount.end());
  return mount;
}

async function startAgent(mode: 'live' | 'poll' = 'live'): Promise<{ agent: TestProcess; session: FakeSession }> {
  const gateway = await FakeGateway.start({
    enrol: (_request, body) => {
      agentId = agentIdFromPublicKey((body as { publicKey: string }).publicKey) as AgentId;
      return {
        status: 201,
        body: { agentId, num: 1, token: 'a-token', expiresAtMs: 1, trust: { keys: issuer.roots } },
      };
    },
  });
  cleanups.push(() => gateway.stop());
  const agent = startAgentProgram(['run'], {
    MUSTER_GATEWAY_URL: gateway.url.replace('/v1/live', ''),
    MUSTER_ENROLL_SECRET: 'sesame',
    MUSTER_ORG: 'acme',
    MUSTER_DATA_DIR: join(folder, 'data'),
    MUSTER_AGENT_MODE: mode,
    MUSTER_AGENT_QUERY_TIME: `${QUERY_MS}ms`,
  });
  cleanups.push(() => agent.kill());
  const session = mode === 'live' ? await gateway.next() : await gateway.nextPoll();
  if (session instanceof FakePollSession) session.pollAfterMs = 100;
  await session.welcome();
  return { agent, session };
}

async function rowsOf(session: FakeSession, ref: number, sql: string, columns: string[]): Promise<unknown[][]> {
  session.query(ref, { sql, columns });
  return (await session.answer()).flatMap((body) => decodeRows(body, columns.length));
}

const list = (directory: string): { sql: string; columns: string[] } => ({
  sql: `SELECT path FROM file WHERE directory = '${directory}'`,
  columns: ['path'],
});

withHungMount('a file system that does not answer', () => {
  test.each(['live', 'poll'] as const)('queries that hang leave the endpoint able to answer, over %s', async (mode) => {
    const mount = await mountHung();
    const { agent, session } = await startAgent(mode);
    const hung = { outcome: 'over_budget', code: 'hung_file_system', message: expect.stringContaining(mount.path) };
    for (const ref of [1, 2, 3]) session.query(ref, list(mount.path));
    for (let ended = 0; ended < 3; ended += 1) expect(await session.queryEnd()).toMatchObject(hung);
    expect(await rowsOf(session, 4, 'SELECT 42 AS a', ['a'])).toEqual([[42]]);
    // What hangs already is not touched again.
    const startedMs = performance.now();
    session.query(5, list(join(mount.path, 'below')));
    expect(await session.queryEnd()).toMatchObject(hung);
    expect(performance.now() - startedMs).toBeLessThan(QUERY_MS);
    await agent.printed('"msg":"a worker process hangs"');
    // The file system is back, or gone: so is everything that hung.
    await mount.end();
    mkdirSync(mount.path, { recursive: true });
    await agent.printed('"msg":"a worker process that hung has ended"');
    for (let ref = 6; ; ref += 1) {
      session.query(ref, list(mount.path));
      const { header } = await session.frame();
      if (header.type === FRAME.rows) break;
      // One of the others has not ended yet.
      expect(header.type).toBe(FRAME.queryEnd);
    }
  });

  test('an agent with work that hangs ends when it is told to, and starts again', async () => {
    const mount = await mountHung();
    const { agent, session } = await startAgent();
    session.query(1, list(mount.path));
    expect(await session.queryEnd()).toMatchObject({ outcome: 'over_budget' });
    const startedMs = performance.now();
    agent.child.kill('SIGTERM');
    expect(await agent.exited).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(8_000);
    const { session: next } = await startAgent();
    expect(await rowsOf(next, 1, 'SELECT 42 AS a', ['a'])).toEqual([[42]]);
  });

  test('when all workers hang, a question is answered at once with that reason, until one of them ends', async () => {
    const mounts = [];
    for (const name of ['a', 'b', 'c', 'd']) mounts.push(await mountHung(name));
    const { agent, session } = await startAgent();
    for (const [index, mount] of mounts.entries()) {
      session.query(index + 1, list(mount.path));
      expect(await session.queryEnd()).toMatchObject({ outcome: 'over_budget' });
    }
    // Waits until the last one has shown that it does not end.
    session.query(10, { sql: 'SELECT 42 AS a', columns: ['a'] });
    expect(await session.queryEnd()).toMatchObject({
      outcome: 'refused',
      code: 'workers_stuck',
      message: expect.stringContaining(mounts[0]!.path),
    });
    const startedMs = performance.now();
    session.query(90, { sql: 'SELECT 42 AS a', columns: ['a'] });
    expect(await session.queryEnd()).toMatchObject({ outcome: 'refused', code: 'workers_stuck' });
    expect(performance.now() - startedMs).toBeLessThan(QUERY_MS);
    const command = quarantine(join(folder, 'data'));
    session.command(command);
    expect(await outcome(session)).toMatchObject({ state: 'refused', code: 'workers_stuck' });
    session.confirmReport(command);
    await mounts[0]!.end();
    await agent.printed('"msg":"a worker process that hung has ended"');
    expect(await rowsOf(session, 100, 'SELECT 42 AS a', ['a'])).toEqual([[42]]);
  });

  test('commands that hang are given up, and others run', async () => {
    const mount = await mountHung();
    const { session } = await startAgent();
    const other = join(folder, 'other');
    writeFileSync(other, 'x');
    const path = join(mount.path, '1');
    const first = quarantine(path, 3_000);
    session.command(first);
    expect(await outcome(session)).toMatchObject({
      state: 'timed_out',
      code: 'stuck',
      message: expect.stringContaining(path),
    });
    session.confirmReport(first);
    const second = quarantine(join(mount.path, '2'));
    session.command(second);
    expect(await outcome(session)).toMatchObject({ state: 'failed', code: 'hung_file_system' });
    session.confirmReport(second);
    const third = quarantine(other);
    session.command(third);
    expect(await outcome(session)).toMatchObject({ state: 'succeeded' });
    expect(existsSync(other)).toBe(false);
    session.confirmReport(third);
    expect(await rowsOf(session, 1, 'SELECT 43 AS a', ['a'])).toEqual([[43]]);
  });

  test('wildcards do not enter it, and say that it is there', async () => {
    const mount = await mountHung('tree/dead');
    writeFileSync(join(folder, 'tree', 'file'), 'x');
    const { session } = await startAgent();
    const dead = [mount.path, null, null];
    const file = [join(folder, 'tree', 'file'), 1, 'regular'];
    const columns = ['path', 'size', 'type'];
    let ref = 0;
    for (const where of [
      `path LIKE '${folder}/tree/%%'`,
      `path LIKE '${folder}/tr%/%'`,
      `directory LIKE '${folder}/tr%'`,
    ]) {
      const sql = `SELECT path, size, type FROM file WHERE ${where} ORDER BY path`;
      expect(await rowsOf(session, (ref += 1), sql, columns)).toEqual([dead, file]);
    }
    const hashes = `SELECT path FROM hash WHERE path LIKE '${folder}/tree/%%'`;
    expect(await rowsOf(session, (ref += 1), hashes, ['path'])).toEqual([[file[0]]]);
    const mounts = `SELECT type, blocks FROM mounts WHERE path = '${mount.path}'`;
    expect(await rowsOf(session, (ref += 1), mounts, ['type', 'blocks'])).toEqual([['fuse.hung', null]]);
    session.query((ref += 1), list(join(folder, 'tree')));
    expect(await session.queryEnd()).toMatchObject({
      outcome: 'over_budget',
      message: expect.stringContaining(mount.path),
    });
  });
});

function quarantine(path: string, timeoutMs = 10_000): CommandBody {
  return issuer.issue({ targets: [agentId], claims: { action: 'file.quarantine', params: { path }, timeoutMs } })[0]!;
}

async function outcome(session: FakeSession): Promise<ReportBody> {
  for (;;) {
    const report = await session.report();
    if (report.state !== 'running') return report;
  }
}
