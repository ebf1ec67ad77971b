import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { agentIdFromPublicKey } from '@muster/identity/agent';
import { decodeBody, FRAME } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { startAgentProgram } from './testing/agent-program.js';
import { FakeGateway } from './testing/fake-gateway.js';
import type { FakeSession } from './testing/fake-session.js';

const SUPPLIES = '/sys/class/power_supply';
/** Mounting takes root. */
const asRoot = process.getuid?.() === 0 && existsSync(SUPPLIES) ? describe : describe.skip;
/** The agent's own view of the machine: a battery that loses charge. */
const ON_BATTERY = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  `mount -t tmpfs none ${SUPPLIES} && mkdir ${SUPPLIES}/BAT0 && cd ${SUPPLIES}/BAT0 && echo Battery > type && echo Discharging > status && exec "$@"`,
  'sh',
];
const FOREVER = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) AS x FROM c';
const BUDGET = { ms: 600_000, rows: 10_000, bytes: 4 * 1024 * 1024 };
const USUAL = { budget: BUDGET, remainingMs: 600_000 };
const LOW = { ...USUAL, budget: { ...BUDGET, priority: 'low' as const }, warnings: true, progressMs: 1_000 };

let folder: string;
const cleanups: (() => Promise<unknown> | void)[] = [];
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'muster-killed-'))));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

async function startAgent() {
  const gateway = await FakeGateway.start({
    enrol: (_request, body) => ({
      status: 201,
      body: {
        ...{ agentId: agentIdFromPublicKey((body as { publicKey: string }).publicKey), num: 1, token: 'a-token' },
        expiresAtMs: 1,
      },
    }),
  });
  cleanups.push(() => gateway.stop());
  const env = {
    MUSTER_GATEWAY_URL: gateway.url.replace('/v1/live', ''),
    MUSTER_ENROLL_SECRET: 'sesame',
    MUSTER_DATA_DIR: join(folder, 'data'),
    MUSTER_AGENT_QUERY_TIME: '10m',
  };
  const agent = startAgentProgram(['run'], env, ON_BATTERY);
  cleanups.push(() => agent.kill());
  const session = await gateway.next();
  await session.welcome();
  return { agent, session };
}

const stat = (pid: number | string): string[] => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
};
/** In ticks, of the user and the system (proc_pid_stat(5), fields 14 and 15). */
const ticks = (pid: number): number => Number(stat(pid)[11]) + Number(stat(pid)[12]);
const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && stat(name)[1] === String(pid))
    .map(Number);
const isGone = (pid: number): boolean => [undefined, 'Z'].includes(stat(pid)[0]);

const isPaused = (session: FakeSession): boolean =>
  session.frames.some(({ header: { type }, body }) => {
    const decoded = type === FRAME.progress ? decodeBody('progress', body) : undefined;
    return decoded?.ok === true && decoded.body.paused;
  });

asRoot('the workers of an agent that is killed', () => {
  test('end too: one that stands still, and one that computes', async () => {
    const { agent, session } = await startAgent();
    session.query(1, { sql: FOREVER, columns: ['x'], ...LOW });
    session.query(2, { sql: FOREVER, columns: ['x'], ...USUAL });
    await eventually(() => isPaused(session), 'one stands still', 60_000);
    const workers = childrenOf(agent.child.pid!);
    expect(workers).toHaveLength(2);
    await eventually(() => workers.some((pid) => stat(pid)[0] === 'R'), 'the other one computes', 60_000);
    agent.child.kill('SIGKILL');
    await agent.exited;
    await eventually(() => workers.every(isGone), 'both workers have ended', 30_000);
  });

  test('what stands still takes no processor time', async () => {
    const { agent, session } = await startAgent();
    session.query(1, { sql: FOREVER, columns: ['x'], ...LOW });
    await eventually(() => isPaused(session), 'it stands still', 60_000);
    const [worker = 0] = childrenOf(agent.child.pid!);
    const said = (): number => session.frames.filter(({ header }) => header.type === FRAME.progress).length;
    const before = { said: said(), ticks: ticks(worker) };
    await eventually(() => said() >= before.said + 3, 'three seconds later', 60_000);
    // Of 300 that it could have had.
    expect(ticks(worker) - before.ticks).toBeLessThan(30);
  });
});
