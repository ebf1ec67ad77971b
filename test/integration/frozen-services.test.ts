import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';

const AGENTS = 20;
const SQL = 'SELECT hostname FROM system_info';
/** Two seconds until another service is asked, and its answer on a machine that is busy with other tests. */
const BOUND_MS = 8_000;

let harness: Harness;
let fleet: Fleet;
beforeAll(async () => {
  harness = await startHarness({ queries: 2, commands: 2 });
  fleet = new Fleet({ ...fleetOptions(harness), agents: AGENTS });
  await fleet.start();
  await fleet.waitFor(() => fleet.count('ready') === AGENTS);
});
afterAll(async () => {
  await fleet.stop();
  await harness.close();
});

interface Asked {
  readonly status: number;
  readonly id: string;
  readonly ms: number;
}

async function post(path: string, body: unknown): Promise<Asked> {
  const startedMs = performance.now();
  const response = await harness.api.fetch(path, { method: 'POST', body });
  const ms = performance.now() - startedMs;
  const { id = '' } = (await response.json()) as { id?: string };
  return { status: response.status, id, ms };
}

async function cancel(path: string): Promise<Asked> {
  const startedMs = performance.now();
  const { status } = await harness.api.fetch(path, { method: 'DELETE' });
  return { status, id: path, ms: performance.now() - startedMs };
}

/** Asks every 100 ms for `forMs`, whoever waits. */
async function steadily(ask: () => Promise<Asked>, forMs: number): Promise<Asked[]> {
  const asked: Promise<Asked>[] = [];
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs) {
    asked.push(ask());
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return Promise.all(asked);
}

const slowest = (asked: readonly Asked[]): number => Math.max(...asked.map(({ ms }) => ms));
const statuses = (asked: readonly Asked[]): number[] => [...new Set(asked.map(({ status }) => status))];

describe('one of two services stands still', () => {
  it('commands go to the other one, each is made once, and also approvals, cancellations and lists are answered', async () => {
    const body = { action: 'process.kill', params: { name: 'nothing' }, target: { selector: '' }, dryRun: true };
    await post('/v1/commands', body);
    const frozen = harness.stack.commands[0];
    frozen?.signal('SIGSTOP');
    let asked: Asked[];
    let lists: Asked[];
    let cancelled: Asked[];
    try {
      [asked, lists] = await Promise.all([
        steadily(() => post('/v1/commands', body), 5_000),
        steadily(async () => {
          const startedMs = performance.now();
          const { status } = await harness.api.fetch('/v1/commands');
          return { status, id: '', ms: performance.now() - startedMs };
        }, 5_000),
      ]);
      cancelled = await Promise.all(asked.slice(-4).map(({ id }) => cancel(`/v1/commands/${id}`)));
    } finally {
      frozen?.signal('SIGCONT');
    }
    expect(statuses(asked)).toEqual([202]);
    expect(statuses(lists)).toEqual([200]);
    expect(Math.max(...[asked, lists, cancelled].map(slowest))).toBeLessThan(BOUND_MS);
    // Once the silence is known nobody waits for it.
    const later = asked.slice(-10).map(({ ms }) => ms);
    expect(later.toSorted((a, b) => a - b)[4]).toBeLessThan(1_000);
    const all = await post('/v1/commands', body);
    const kept = await harness.api.all('GET /v1/commands', { pageSize: 200 });
    const ids = kept.map((command) => (command as { readonly id: string }).id);
    expect(ids.slice(0, asked.length + 1).toSorted()).toEqual([all, ...asked].map(({ id }) => id).toSorted());
  });

  it('queries go to the other one, and when it goes on it starts none that nobody waits for', async () => {
    const body = { sql: SQL, mode: 'group', timeout: '3s' };
    const first = await post('/v1/queries', body);
    const frozen = harness.stack.queries[0];
    const asked: Asked[] = [first];
    frozen?.signal('SIGSTOP');
    try {
      for (let n = 0; n < 12; n += 1) {
        // Few at a time, because an operator may run only so many; the first ones before the silence is known.
        asked.push(...(await Promise.all([post('/v1/queries', body), post('/v1/queries', body)])));
      }
    } finally {
      frozen?.signal('SIGCONT');
    }
    const after = await Promise.all([post('/v1/queries', body), post('/v1/queries', body)]);
    asked.push(...after);
    expect(statuses(asked)).toEqual([201]);
    expect(slowest(asked)).toBeLessThan(BOUND_MS);
    await eventually(
      async () => {
        const running = await harness.api.all('GET /v1/queries', { query: { state: 'running' } });
        return running.length === 0;
      },
      'the end of all queries',
      20_000,
    );
    const kept = await harness.api.all('GET /v1/queries', { pageSize: 200 });
    expect(kept.map((query) => (query as { readonly id: string }).id).toSorted()).toEqual(
      asked.map(({ id }) => id).toSorted(),
    );
  });

  it('a query whose coordinator stands still is cancelled within seconds', async () => {
    await eventually(async () => (await post('/v1/queries', { sql: SQL, timeout: '2s' })).status === 201);
    await fleet.stop();
    fleet = new Fleet({ ...fleetOptions(harness), agents: AGENTS, behaviour: { silent: 1 } });
    await fleet.start();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS);
    const started = await Promise.all([1, 2, 3, 4].map(() => post('/v1/queries', { sql: SQL, timeout: '60s' })));
    expect(statuses(started)).toEqual([201]);
    const frozen = harness.stack.queries[0];
    frozen?.signal('SIGSTOP');
    try {
      const ended = await Promise.all(started.map(({ id }) => cancel(`/v1/queries/${id}`)));
      expect(ended.every(({ status }) => status === 202 || status === 204)).toBe(true);
      expect(slowest(ended)).toBeLessThan(BOUND_MS + 1_000);
    } finally {
      frozen?.signal('SIGCONT');
    }
  });
});
