import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runQuery } from '@muster/api-client';
import { eventually } from '@muster/runtime/testing';
import type { Program } from '@muster/local';
import { Witnesses } from '../chaos/agents/witnesses.js';
import { startHarness, type Harness } from '../kit/harness.js';

const BACK_MS = 120_000;

type Version = 'old' | 'new';

/** What was seen with one pair of versions. */
export interface Crossing {
  readonly gateway: Version;
  readonly agents: readonly [Version, Version];
}

/**
 * Real agents of both versions at a gateway of each, upgraded and rolled back in place with their data: each keeps its
 * identity, answers, and runs each order once. The other services are of the version before until the gateway is new,
 * and new from then on.
 * @throws Error that says what did not hold.
 */
export async function crossRealAgents(from: string, onCrossing: (crossing: Crossing) => void): Promise<number> {
  const services = join(from, 'services');
  const harness = await startHarness({ services, restart: true });
  const folder = mkdtempSync(join(tmpdir(), 'muster-upgrade-'));
  const witnesses = new Witnesses(folder);
  try {
    const first = await harness.stack.addAgent({ services, env: { MUSTER_LABELS: 'case=one' } });
    // Its own version is the new one from the start.
    const second = await harness.stack.addAgent({ services: OWN, env: { MUSTER_LABELS: 'case=two' } });
    const [gateway] = harness.stack.gateways;
    if (gateway === undefined) throw new Error('there is no gateway');
    const ids = await liveIds(harness);
    const orders = new Map<string, string>();
    let count = 0;
    const check = async (crossing: Crossing): Promise<void> => {
      const now = await liveIds(harness);
      if (now.join() !== ids.join()) throw new Error(`agents are ${now.join()}, and were ${ids.join()}`);
      await answersOfAll(harness);
      for (const id of ids) {
        const name = `mu-${process.pid % 100_000}-${count++}`;
        await witnesses.start(name);
        orders.set(name, await order(harness, id, name));
      }
      onCrossing(crossing);
    };
    const move = async (program: Program, to?: string): Promise<void> => {
      const { pid } = program;
      program.useVersion(to);
      program.signal('SIGTERM');
      await eventually(() => program.pid !== -1 && program.pid !== pid, `${program.name} runs again`, BACK_MS);
    };
    const others = [...harness.stack.queries, ...harness.stack.commands, ...harness.stack.apis];
    await check({ gateway: 'old', agents: ['old', 'new'] });
    for (const program of [...others, gateway]) await move(program);
    await check({ gateway: 'new', agents: ['old', 'new'] });
    await move(first);
    await check({ gateway: 'new', agents: ['new', 'new'] });
    for (const program of [gateway, ...others.toReversed()]) await move(program, services);
    await check({ gateway: 'old', agents: ['new', 'new'] });
    await move(first, services);
    await move(second, services);
    await check({ gateway: 'old', agents: ['old', 'old'] });
    for (const [name, id] of orders) {
      if (witnesses.deaths(name) !== 1) throw new Error(`order ${id} took effect ${witnesses.deaths(name)} times`);
    }
    return orders.size;
  } finally {
    witnesses.stop();
    await harness.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const OWN = join(import.meta.dirname, '../../../services');

async function liveIds({ api }: Harness): Promise<string[]> {
  let ids: string[] = [];
  await eventually(
    async () => {
      const agents = await api.all('GET /v1/agents', { query: { selector: 'mode=live' } });
      ids = agents.map(({ agentId }) => agentId).sort();
      return ids.length === 2;
    },
    'both agents are live',
    BACK_MS,
  );
  return ids;
}

async function answersOfAll({ api }: Harness): Promise<void> {
  const { state, ledger } = await runQuery(api, { sql: 'SELECT hostname FROM system_info', timeout: '30s' });
  if (state !== 'complete' || ledger.answered !== 2)
    throw new Error(`a question ends ${state}: ${ledger.answered} of ${ledger.targeted} answered`);
}

/** Kills one process, and returns the command's id. */
async function order({ api }: Harness, agentId: string, name: string): Promise<string> {
  const { id } = await api.call('POST /v1/commands', {
    body: { action: 'process.kill', params: { name }, target: { agentIds: [agentId] }, expiresIn: '2m' },
  });
  const ended = await eventually(
    async () => {
      const command = await api.call('GET /v1/commands/{id}', { params: { id } });
      return command.status === 'ended' ? command : undefined;
    },
    `order ${id} ends`,
    BACK_MS,
  );
  if (ended?.ledger.succeeded !== 1) throw new Error(`order ${id} did not succeed: ${JSON.stringify(ended?.ledger)}`);
  return id;
}
