import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Role } from '@muster/records';
import { ApiFixture } from '../testing/api-fixture.js';
import { BudgetPolicy, parseBudgetRules, type BudgetRule } from './budget-policy.js';

const low = (ms: number) => ({ ms, priority: 'low' as const });
const may = (rules: string | undefined, role: Role, ms: number): boolean => {
  const policy = rules === undefined ? new BudgetPolicy() : new BudgetPolicy(parseBudgetRules(rules) as BudgetRule[]);
  try {
    policy.check({ role }, low(ms));
    return true;
  } catch {
    return false;
  }
};

describe('how long a query may take on an endpoint', () => {
  test('ten minutes for analysts and above, unless the setting says otherwise', () => {
    expect(may(undefined, 'analyst', 600_000)).toBe(true);
    expect(may(undefined, 'viewer', 10_001)).toBe(false);
    expect(may(undefined, 'viewer', 10_000)).toBe(true);
  });

  test('a role has what the nearest rule at or below it says', () => {
    const rules = 'analyst=1m, admin=10m';
    expect([may(rules, 'analyst', 60_000), may(rules, 'analyst', 60_001)]).toEqual([true, false]);
    expect([may(rules, 'responder', 60_000), may(rules, 'responder', 60_001)]).toEqual([true, false]);
    expect(may(rules, 'admin', 600_000)).toBe(true);
    expect(may('admin=1m', 'responder', 20_000)).toBe(false);
  });

  test.each(['', 'analyst', 'analyst=', 'root=1m', 'analyst=1y', 'analyst=11m', 'analyst=1m,analyst=2m'])(
    'the setting %j is refused with a reason',
    (text) => expect(typeof parseBudgetRules(text)).toBe('string'),
  );
});

describe('a query with a budget', () => {
  let api: ApiFixture;
  beforeEach(async () => {
    api = await ApiFixture.start();
  });
  afterEach(() => api.stop());

  const ask = (budget: unknown, more = {}, token?: string) =>
    api.ask('POST', '/v1/queries', {
      body: { sql: 'SELECT 1', budget, ...more },
      ...(token === undefined ? {} : { token }),
    });

  test.each([
    [{ time: '10m' }, { ms: 600_000, priority: 'low' }, 600_000],
    [{ time: '1m', priority: 'low' }, { ms: 60_000, priority: 'low' }, 80_000],
    [{ time: '2s' }, { ms: 2_000, priority: 'normal' }, 30_000],
    [{ time: '5s', priority: 'low' }, { ms: 5_000, priority: 'low' }, 30_000],
  ])('%j is %j, and the timeout leaves room for it', async (asked, budget, timeoutMs) => {
    const { status, body } = await ask(asked);
    expect([status, body.budget, body.timeoutMs]).toEqual([201, budget, timeoutMs]);
    expect(api.service.asked).toMatchObject([{ t: 'start', budget }]);
    expect(await api.audit()).toMatchObject([{ details: { budget } }]);
  });

  test.each([{ time: '11m' }, { time: '1m', priority: 'normal' }, { time: '0s' }, { time: 'x' }, { time: '' }, {}])(
    '%j is refused and nobody is asked',
    async (budget) => {
      const { status, body } = await ask(budget);
      expect([status, body.code]).toEqual([400, 'bad_request']);
      expect(api.service.asked).toEqual([]);
    },
  );

  test('beyond what the role may is forbidden, which the audit has', async () => {
    api = await restarted(api, { budgetPolicy: new BudgetPolicy([{ role: 'admin', ms: 600_000 }]) });
    const { token } = await api.token({ role: 'analyst' });
    const { status, body } = await ask({ time: '1m' }, {}, token);
    expect([status, body.code, body.required]).toEqual([403, 'forbidden', 'admin']);
    expect(body.detail).toContain('with the role analyst a query may take 10 s');
    expect(await ask({ time: '1m' })).toMatchObject({ status: 201 });
    expect(await api.audit()).toMatchObject([
      { outcome: 'refused', code: 'forbidden' },
      { outcome: 'allowed', actor: 'bootstrap' },
    ]);
  });
});

async function restarted(old: ApiFixture, options: Parameters<typeof ApiFixture.start>[0]): Promise<ApiFixture> {
  await old.stop();
  return ApiFixture.start(options);
}
