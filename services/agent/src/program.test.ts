import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generateCommandRoot, publicJwks } from '@muster/identity';
import { agentIdFromPublicKey } from '@muster/identity/agent';
import { decodeRows } from '@muster/protocol';
import type { TestProcess } from '@muster/testkit';
import { startAgentProgram } from './testing/agent-program.js';
import { FakeGateway, type FakeRefusal } from './testing/fake-gateway.js';
import { OTHER_CA, TEST_CA, TEST_CERTIFICATE, TEST_KEY } from './testing/tls-fixture.js';

let folder: string;
const cleanups: (() => Promise<unknown> | void)[] = [];
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'muster-agent-'))));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

function start(args: readonly string[], env: Record<string, string> = {}): TestProcess {
  const program = startAgentProgram(args, env);
  cleanups.push(() => program.kill());
  return program;
}

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

function enrolEverybody(body: unknown, trust?: unknown): FakeRefusal {
  const { publicKey } = body as { publicKey: string };
  const enrolled = { agentId: agentIdFromPublicKey(publicKey), num: 1, token: 'a-token', expiresAtMs: 1, trust };
  return { status: 201, body: enrolled };
}

/** With `trust` the enrolment names command roots, so the agent does not enrol again to ask for them. */
async function startGateway(trust?: unknown): Promise<FakeGateway> {
  const tls = { cert: TEST_CERTIFICATE, key: TEST_KEY };
  const gateway = await FakeGateway.start({ tls, enrol: (_request, body) => enrolEverybody(body, trust) });
  cleanups.push(() => gateway.stop());
  return gateway;
}

function settings(gateway: FakeGateway, ca = TEST_CA): Record<string, string> {
  writeFileSync(join(folder, 'ca.pem'), ca);
  return {
    MUSTER_GATEWAY_URL: gateway.url.replace('/v1/live', ''),
    MUSTER_GATEWAY_CA: join(folder, 'ca.pem'),
    MUSTER_ENROLL_SECRET: 'sesame',
    MUSTER_DATA_DIR: join(folder, 'data'),
    MUSTER_READY_FILE: join(folder, 'ready.json'),
    MUSTER_LABELS: 'env=test',
  };
}

describe('the agent program', () => {
  test('enrols, is ready when it has a session, answers about this machine, and ends cleanly', async () => {
    const gateway = await startGateway();
    const agent = start([], settings(gateway));
    const session = await gateway.next();
    expect(session.request.headers.authorization).toBe('Bearer a-token');
    expect(existsSync(join(folder, 'ready.json'))).toBe(false);
    const hello = await session.welcome();
    expect(hello).toMatchObject({
      facts: { host: hostname(), os: 'linux' },
      labels: { env: 'test' },
      capabilities: ['query', 'parameters', 'packs', 'mode', 'metrics', 'heartbeat'],
    });
    await agent.printed('"msg":"listening"');
    expect(residentMegabytes(agent.child.pid!)).toBeLessThan(80);
    session.query(1, { sql: 'SELECT hostname FROM system_info', columns: ['hostname'] });
    const [rows] = await session.answer();
    expect(decodeRows(rows!, 1)).toEqual([[hostname()]]);
    // The worker that reads it is another process than the one with the secrets.
    const where = `pid = ${agent.child.pid} AND key IN ('MUSTER_ENROLL_SECRET', 'MUSTER_ORG', 'MUSTER_LABELS') ORDER BY key`;
    session.query(3, { sql: `SELECT key, value FROM process_envs WHERE ${where}`, columns: ['key', 'value'] });
    expect(decodeRows((await session.answer())[0]!, 2)).toEqual([
      ['MUSTER_ENROLL_SECRET', null],
      ['MUSTER_LABELS', 'env=test'],
    ]);
    // A query that the worker is busy with does not hold up the end.
    session.query(4, {
      sql: 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) AS x FROM c',
      columns: ['x'],
    });
    const startedMs = performance.now();
    agent.child.kill('SIGTERM');
    expect(await agent.exited).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(await session.closed).toBe(1000);
    expect(JSON.parse(readFileSync(join(folder, 'ready.json'), 'utf8'))).toMatchObject({ pid: agent.child.pid });
    expect(agent.output).not.toMatch(/sesame|a-token/);
  });

  test('pinned to Poll it does the same over HTTPS, on one connection, and does not say that it can change', async () => {
    const gateway = await startGateway();
    const agent = start([], { ...settings(gateway), MUSTER_AGENT_MODE: 'poll' });
    const session = await gateway.nextPoll();
    const hello = await session.welcome();
    expect(hello.capabilities).toEqual(['query', 'parameters', 'packs', 'metrics', 'heartbeat']);
    await agent.printed('"msg":"listening"');
    expect(residentMegabytes(agent.child.pid!)).toBeLessThan(80);
    agent.child.kill('SIGTERM');
    expect(await agent.exited).toBe(0);
    expect(await session.closed).toBe(1000);
    expect([gateway.upgrades, gateway.opens]).toEqual([0, 1]);
  });

  test('answers over Poll the query that came with WELCOME', async () => {
    const gateway = await startGateway({ keys: publicJwks(await generateCommandRoot()).keys });
    start([], { ...settings(gateway), MUSTER_AGENT_MODE: 'poll' });
    const session = await gateway.nextPoll();
    await session.hello();
    session.sendWelcome();
    session.query(1, { sql: 'SELECT hostname FROM system_info', columns: ['hostname'] });
    const [rows] = await session.answer();
    expect(decodeRows(rows!, 1)).toEqual([[hostname()]]);
    // The enrolment, and the session: HELLO and the answer went over one connection.
    expect(gateway.connections).toBe(2);
  });

  test('restarts as the same agent, and does not enrol again', async () => {
    const gateway = await startGateway();
    const enroll = start(['enroll'], settings(gateway));
    expect(await enroll.exited).toBe(0);
    const id = /enrolled as ([a-z2-7]{24})/.exec(enroll.output)![1]!;
    const { MUSTER_ENROLL_SECRET: _secret, ...withoutSecret } = settings(gateway);
    const agent = start(['run'], withoutSecret);
    await (await gateway.next()).welcome();
    await agent.printed('"msg":"session ready"');
    expect(agent.output).toContain(id);
  });

  test('an enrolment secret whose file is replaced is used at the next try, without a restart', async () => {
    const sent: string[] = [];
    const gateway = await FakeGateway.start({
      tls: { cert: TEST_CERTIFICATE, key: TEST_KEY },
      enrol: ({ headers }, body) => {
        sent.push(headers.authorization ?? '');
        if (headers.authorization === 'Bearer new') return enrolEverybody(body);
        // After a 401 the agent stays away for minutes.
        return { status: 503, body: { code: 'unavailable', detail: 'come again' } };
      },
    });
    cleanups.push(() => gateway.stop());
    const secretFile = join(folder, 'enroll-secret');
    const write = (text: string): void => {
      writeFileSync(`${secretFile}.next`, text, { mode: 0o600 });
      renameSync(`${secretFile}.next`, secretFile);
    };
    const { MUSTER_ENROLL_SECRET: _secret, ...withoutSecret } = settings(gateway);
    write('old\n');
    const agent = start(['run'], { ...withoutSecret, MUSTER_ENROLL_SECRET_FILE: secretFile });
    await agent.printed('"msg":"no session"');
    write('new\n');
    await (await gateway.next()).welcome();
    await agent.printed('"msg":"session ready"');
    expect(sent[0]).toBe('Bearer old');
    expect(sent.at(-1)).toBe('Bearer new');
    expect(agent.output).not.toMatch(/\bold\b/);
  });

  test('a gateway with a certificate of another authority gets neither the secret nor a session', async () => {
    const gateway = await startGateway();
    const agent = start([], settings(gateway, OTHER_CA));
    await agent.printed('"msg":"no session"');
    expect(agent.output).toMatch(/unable to (verify|get)/);
    expect(gateway.upgrades).toBe(0);
    const doctor = start(['doctor'], settings(gateway, OTHER_CA));
    expect(await doctor.exited).toBe(1);
    expect(doctor.output).toMatch(/ok {4}tcp[\s\S]*FAIL {2}tls/);
  });

  test('the query that ran when the agent was killed is answered by the next one', async () => {
    const sql =
      'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1000000) SELECT count(*) AS n FROM c';
    const gateway = await startGateway();
    const env = settings(gateway);
    for (let times = 0; times < 2; times += 1) {
      const killed = start([], env);
      const session = await gateway.next();
      await session.welcome();
      session.query(1, { sql: 'SELECT 1 AS one', columns: ['one'] });
      await session.answer();
      session.query(2, { sql, columns: ['n'] });
      // Frames are handled in order: the answer to the third means that the second was begun.
      session.query(3, { sql: 'SELECT 3 AS three', columns: ['three'] });
      await session.answer();
      killed.child.kill('SIGKILL');
      await killed.exited;
    }
    start([], env);
    const session = await gateway.next();
    await session.welcome();
    session.query(1, { sql, columns: ['n'] });
    expect(decodeRows((await session.answer())[0]!, 1)).toEqual([[1_000_000]]);
  });

  test('a second agent with the same data directory does not start, and the first notices nothing', async () => {
    const gateway = await startGateway();
    const first = start(['run'], settings(gateway));
    await (await gateway.next()).welcome();
    await first.printed('"msg":"session ready"');
    const second = start(['run'], settings(gateway));
    expect(await second.exited).toBe(1);
    expect(second.output).toContain(
      `another agent (process ${first.child.pid}) runs with the data directory ${join(folder, 'data')}`,
    );
    expect(gateway.upgrades).toBe(1);
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    const third = start(['run'], settings(gateway));
    await (await gateway.next()).welcome();
    await third.printed('"msg":"session ready"');
  });

  test('"sql" queries this machine without a gateway', async () => {
    const sql = start(['sql', 'SELECT hostname FROM system_info', '--output', 'ndjson']);
    expect(await sql.exited).toBe(0);
    expect(JSON.parse(sql.output)).toEqual({ hostname: hostname() });
    const table = start(['sql', "SELECT 1 AS a, X'00ff' AS b, NULL AS c"]);
    await table.exited;
    expect(table.output).toBe("A  B        C\n1  X'00FF'\n");
    const wrong = start(['sql', 'SELECT nope FROM system_info']);
    expect(await wrong.exited).toBe(1);
    expect(wrong.output).toContain('sql_error: no such column: nope');
  });

  test('queries do not show the agent’s secrets, whichever of its ids they use', async () => {
    const ask = async (where: string): Promise<Record<string, string | null>> => {
      const sql = start(['sql', `SELECT key, value FROM process_envs WHERE ${where}`, '--output', 'ndjson'], {
        MUSTER_ENROLL_SECRET: 'open-sesame',
        MUSTER_PROBE: folder,
        proxy_password: 'hunter2',
      });
      expect(await sql.exited).toBe(0);
      expect(sql.output).not.toMatch(/open-sesame|hunter2/);
      // On its standard error it may say which processes it cannot read.
      const lines = sql.output.split('\n').filter((line) => line.startsWith('{'));
      const rows = lines.map((line) => JSON.parse(line) as { key: string; value: string | null });
      return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
    };
    const own = `pid = (SELECT pid FROM process_envs WHERE key = 'MUSTER_PROBE' AND value = '${folder}')`;
    expect(await ask(own)).toMatchObject({ MUSTER_ENROLL_SECRET: null, proxy_password: null, MUSTER_PROBE: folder });
    // Ids that follow the process's own belong to its threads, if to anybody.
    const threads = `pid IN (SELECT p.pid + n.value FROM (SELECT pid FROM process_envs WHERE key = 'MUSTER_PROBE' AND value = '${folder}') p, json_each('[1,2,3,4,5,6,7,8]') n)`;
    expect((await ask(threads))['MUSTER_ENROLL_SECRET'] ?? null).toBeNull();
  });

  test.each([
    [['frobnicate'], 'there is no command "frobnicate"'],
    [['sql'], '"sql" needs a statement'],
    [['sql', 'SELECT 1', '--output', 'xml'], 'there is no output "xml"'],
    [['--nope'], "Unknown option '--nope'"],
    [['run'], 'MUSTER_GATEWAY_URL is not set'],
  ])('%j is a usage error', async (args, message) => {
    const program = start(args);
    expect(await program.exited).toBe(2);
    expect(program.output).toContain(message);
  });
});
