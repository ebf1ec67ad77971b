import { runQuery } from '@muster/api-client';
import type { CommandJson } from '@muster/api-contract';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChaosSystem } from './chaos-system.js';

const PAUSE_MS = 250;
const PROBE_TIMEOUT_MS = 8_000;
/** By which these commands are told from those of the load. */
const PROBE_EXPIRES_MS = 61_000;

/** What is not whole yet: one sentence; `undefined` when the system works as a whole. */
type Lack = string | undefined;

/**
 * Waits until the whole system works: every program is ready, every endpoint has a session and is listed, one question
 * is answered by all, and one command is carried out. `onLack` hears what is lacking at each look. Returns what was
 * lacking at the last one when that takes longer than `withinMs`.
 */
export async function becomesWhole(
  system: ChaosSystem,
  { agents, withinMs, onLack }: { agents: number; withinMs: number; onLack: (lack: string) => void },
): Promise<Lack> {
  const giveUpAt = performance.now() + withinMs;
  for (;;) {
    const lack = await lackOf(system, agents).catch((error: unknown) => String(error));
    if (lack !== undefined) onLack(lack);
    if (lack === undefined || performance.now() > giveUpAt) return lack;
    await delay(PAUSE_MS);
  }
}

async function lackOf(system: ChaosSystem, agents: number): Promise<Lack> {
  if (!(await system.isReady())) return 'a program is not ready';
  const connected = await system.fleet.connected();
  if (connected !== agents) return `${connected} of ${agents} endpoints have a session`;
  const { api } = system.harness;
  const [listed, first] = await listedAgents(system);
  if (listed !== agents || first === undefined) return `${listed} of ${agents} endpoints are listed as connected`;
  const { state, ledger } = await runQuery(api, { sql: 'SELECT 1', mode: 'group', timeoutMs: PROBE_TIMEOUT_MS });
  if (state !== 'complete' || ledger.answered !== agents)
    return `a question ends ${state}: ${ledger.answered} of ${ledger.targeted} targets answer`;
  return orderOne(system, first);
}

async function listedAgents({ harness }: ChaosSystem): Promise<[count: number, first: string | undefined]> {
  const listed = await harness.api.all('GET /v1/agents', { query: { selector: 'mode in (live,poll)' }, pageSize: 500 });
  return [listed.length, listed[0]?.agentId];
}

/** Whether this suite sent the command to see that the system works. */
export function isProbe({ submittedAt, expiresAt }: CommandJson): boolean {
  return Date.parse(expiresAt) - Date.parse(submittedAt) === PROBE_EXPIRES_MS;
}

async function orderOne({ harness }: ChaosSystem, agentId: string): Promise<Lack> {
  const command = await harness.api.call('POST /v1/commands', {
    query: { wait: '5s' },
    body: { action: 'dns.flush', params: {}, target: { agentIds: [agentId] }, expiresIn: PROBE_EXPIRES_MS },
  });
  return command.status === 'ended' ? undefined : `a command is ${command.status} after 5 s`;
}
