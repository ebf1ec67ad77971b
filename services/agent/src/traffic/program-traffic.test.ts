import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { agentIdFromPublicKey } from '@muster/identity/agent';
import { decodeRows } from '@muster/protocol';
import { startAgentProgram } from '../testing/agent-program.js';
import { TcpRelay } from '@muster/testkit';
import { FakeGateway, type FakeRefusal } from '../testing/fake-gateway.js';
import { FakePollSession } from '../testing/fake-poll-session.js';
import { TEST_CA, TEST_CERTIFICATE, TEST_KEY } from '../testing/tls-fixture.js';

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function enrolEverybody(_request: unknown, body: unknown): FakeRefusal {
  const { publicKey } = body as { publicKey: string };
  // An agent without a root of trust would enrol once more to ask for one.
  const trust = { keys: [{ kid: 'root', x: publicKey }] };
  const agentId = agentIdFromPublicKey(publicKey);
  return { status: 201, body: { agentId, num: 1, token: 'a-token', expiresAtMs: 1, trust } };
}

const COLUMNS = ['channel', 'purpose', 'bytes_in', 'bytes_out', 'seconds', 'connections', 'since'];

test.each(['live', 'poll'] as const)(
  'agent_traffic of an agent that uses %s adds up to what was on the wire, enrolment and TLS included',
  async (mode) => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-traffic-'));
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'ca.pem'), TEST_CA);
    const gateway = await FakeGateway.start({
      tls: { cert: TEST_CERTIFICATE, key: TEST_KEY },
      enrol: enrolEverybody,
    });
    cleanups.push(() => gateway.stop());
    const relay = await TcpRelay.start({ port: Number(new URL(gateway.url).port) });
    cleanups.push(() => relay.stop());
    const startedMs = Date.now();
    const agent = startAgentProgram([], {
      MUSTER_GATEWAY_URL: `https://127.0.0.1:${relay.port}`,
      MUSTER_GATEWAY_CA: join(folder, 'ca.pem'),
      MUSTER_ENROLL_SECRET: 'sesame',
      MUSTER_DATA_DIR: join(folder, 'data'),
      MUSTER_AGENT_MODE: mode,
    });
    cleanups.push(() => agent.kill());
    const session = await gateway.next();
    if (session instanceof FakePollSession) session.pollAfterMs = 200;
    await session.welcome({ heartbeatMs: 300_000 });
    await agent.printed('"msg":"session ready"');

    // Once to start the worker; what is asked then is as of when it is asked.
    session.query(1, { sql: 'SELECT 1 AS one', columns: ['one'] });
    await session.answer();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const outBefore = relay.bytes.out;
    session.query(2, { sql: `SELECT ${COLUMNS.join(', ')} FROM agent_traffic`, columns: COLUMNS });
    const rows = (await session.answer()).flatMap((chunk) => decodeRows(chunk, COLUMNS.length));
    const sum = (column: string): number =>
      rows.reduce((total, row) => total + Number(row[COLUMNS.indexOf(column)]), 0);
    if (mode === 'live') {
      expect(sum('bytes_in')).toBe(relay.bytes.in);
      expect(sum('bytes_out')).toBe(outBefore);
    } else {
      // The poll that brought the query was counted in between.
      expect(sum('bytes_in')).toBeLessThanOrEqual(relay.bytes.in);
      expect(sum('bytes_out')).toBeGreaterThanOrEqual(outBefore);
      expect(sum('bytes_out')).toBeLessThan(relay.bytes.out);
    }
    const purposes = new Map(rows.map((row) => [`${String(row[0])}/${String(row[1])}`, row]));
    expect([...purposes.keys()].sort()).toEqual(
      ['enrol/transport', `${mode}/query`, `${mode}/session`, `${mode}/transport`].sort(),
    );
    expect(purposes.get('enrol/transport')?.slice(4, 6)).toEqual([0, 1]);
    expect(purposes.get(`${mode}/query`)?.[5]).toBe(1);
    const since = Number(rows[0]?.[6]);
    expect(since).toBeGreaterThanOrEqual(startedMs);
    expect(since).toBeLessThanOrEqual(Date.now());
  },
);
