import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';

const COMMANDS = 50;
const RUN_MS = [1_200, 1_700] as const;
/** The run, 2.5 s until what was sent to the silent service is sent to the other one, and a busy machine. */
const BOUND_MS = 4_000;

let harness: Harness;
let fleet: Fleet;
let agentIds: readonly string[];
beforeAll(async () => {
  harness = await startHarness({ commands: 2 });
  fleet = new Fleet({ ...fleetOptions(harness), agents: COMMANDS, commands: { runMs: RUN_MS } });
  await fleet.start();
  await fleet.waitFor(() => fleet.count('ready') === COMMANDS);
  agentIds = Array.from(fleet.identities().values(), ({ agentId }) => agentId);
});
afterAll(async () => {
  await fleet.stop();
  await harness.close();
});

/** One command to each endpoint. */
async function submitAll(): Promise<string[]> {
  const submitted = agentIds.map(async (agentId) => {
    const body = { action: 'dns.flush', params: {}, target: { agentIds: [agentId] } };
    return (await harness.api.call('POST /v1/commands', { body })).id;
  });
  return Promise.all(submitted);
}

const ledgerOf = async (id: string) => (await harness.api.call('GET /v1/commands/{id}', { params: { id } })).ledger;

/** How many milliseconds after `sinceMs` the outcome of the last one was known. */
async function allKnown(ids: readonly string[], sinceMs: number): Promise<number> {
  const isKnown = async (id: string): Promise<boolean> => (await ledgerOf(id)).succeeded === 1;
  for (let open = ids; open.length > 0;) {
    const known = await Promise.all(open.map(isKnown));
    open = open.filter((_, i) => known[i] !== true);
    if (performance.now() - sinceMs > 60_000) throw new Error(`${open.length} outcomes are not known`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return performance.now() - sinceMs;
}

async function liveServices(healthUrl: string | undefined): Promise<number> {
  const text = await (await fetch(`${healthUrl}/metrics`)).text();
  return Number(/^muster_command_live_services (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

/** The command of each record of a success. */
async function successesInAudit(ids: readonly string[]): Promise<string[]> {
  const records = await harness.api.all('GET /v1/audit', { query: { action: 'command.outcome' }, pageSize: 1_000 });
  const successes = records.filter(({ details }) => JSON.stringify(details).includes('"succeeded"'));
  return successes.map(({ subject }) => subject ?? '').filter((subject) => ids.includes(subject));
}

describe('one of two command services stands still', () => {
  it('outcomes of runs that end meanwhile are known within seconds, and so are those of later commands; each is one record', async () => {
    const [frozen, other] = harness.stack.commands;
    const first = await submitAll();
    const started = async (id: string): Promise<boolean> => (await ledgerOf(id)).queued === 0;
    await eventually(async () => (await Promise.all(first.map(started))).every(Boolean), 'the delivery', 5_000);
    frozen?.signal('SIGSTOP');
    let later: string[];
    try {
      expect(await allKnown(first, performance.now())).toBeLessThan(BOUND_MS);
      // The other one reconciles all commands now.
      await eventually(async () => (await liveServices(other?.healthUrl)) === 1, 'the loss of the frozen one', 10_000);
      const sinceMs = performance.now();
      later = await submitAll();
      expect(await allKnown(later, sinceMs)).toBeLessThan(BOUND_MS);
    } finally {
      frozen?.signal('SIGCONT');
    }
    await eventually(async () => (await liveServices(frozen?.healthUrl)) === 2, 'both services', 10_000);
    const all = [...first, ...later];
    await eventually(async () => (await successesInAudit(all)).length >= all.length, 'the audit records', 20_000);
    expect((await successesInAudit(all)).toSorted()).toEqual(all.toSorted());
  });
});
