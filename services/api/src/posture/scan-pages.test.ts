import { describe, expect, test } from '@jest/globals';
import { operations } from '@muster/api-contract';
import type { PostureReply, PostureRequest, ScanSummary } from '@muster/messages';
import type { Operation } from '../http/operation.js';
import { exceptionOperations } from './exception-operations.js';
import { postureOperations } from './posture-operations.js';
import { scanResultOperations } from './scan-result-operations.js';
import { scheduleOperations } from './schedule-operations.js';

const ALL = { id: 'ann', org: 'acme', role: 'admin', bound: [] };
const BOUND = { ...ALL, id: 'bob', selector: 'env=prod', bound: [{ key: 'env', op: '=', values: ['prod'] }] };

type Page = { readonly items: readonly { readonly id: string }[]; readonly nextCursor?: string };

/** The client of a posture service that answers so. */
const clientOf = (answer: (request: never) => unknown) =>
  ({ ask: (request: PostureRequest) => Promise.resolve(answer(request as never) as PostureReply) }) as never;

async function call(all: readonly Operation[], id: string, given: object): Promise<Page> {
  const operation = all.find((one) => one.id === id);
  const answer = await operation?.handle({ note: () => undefined, ...given } as never);
  return (answer as { readonly body: Page }).body;
}

/** Newest first; as many as a posture service has in one reply at most. */
function scans(count: number, operatorOf: (n: number) => string) {
  const all = Array.from({ length: count }, (_, n) => {
    const own = { id: `q${String(count - n).padStart(6, '0')}`, operator: operatorOf(n), operatorName: 'A' };
    return { ...own, selector: '', scope: 'env=prod', createdAtMs: 0, endedAtMs: 0, pack: {}, ledger: {}, failing: {} };
  });
  return (isOld: boolean) =>
    clientOf(({ before, limit }: { readonly before?: string; readonly limit: number }) => {
      const rest = all.filter(({ id }) => before === undefined || id < before);
      const shown = rest.slice(0, Math.min(limit, 200)) as unknown as ScanSummary[];
      return { t: 'scans', scans: shown, ...(isOld ? {} : { isCut: shown.length < rest.length }) };
    });
}

async function pagesOf(client: never, principal: object, limit: number): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const query = { limit, cursor };
    const page = await call(postureOperations({ client } as never), operations.listScans.id, { principal, query });
    found.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

test.each([
  ['of this version', false],
  ['of the version before', true],
])('pages of the largest size go on to the end, posture service %s', async (_what, isOld) => {
  const client = scans(450, () => 'ann')(isOld);
  expect(new Set(await pagesOf(client, ALL, 200)).size).toBe(450);
  expect(new Set(await pagesOf(client, ALL, 50)).size).toBe(450);
});

test('who sees few of very many scans gets all of them', async () => {
  const client = scans(9_000, (n) => (n % 4_400 === 4_399 ? 'bob' : 'ann'))(false);
  expect(await pagesOf(client, BOUND, 200)).toHaveLength(2);
});

test('schedules and exceptions that do not fit into one reply are listed whole', async () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const person = { id: 'ann', name: 'Ann' };
  const parts = clientOf(({ t, after }: { readonly t: string; readonly after: string }) => {
    const rest = ids.filter((id) => id > after);
    const shown = rest.slice(0, 2).map((id) => ({
      ...{ id, name: id === 'e' ? 'A' : id, by: person, changedBy: person, createdAtMs: 0, changedAtMs: 0 },
      ...{ untilMs: id === 'e' ? 1 : 2, firings: [], scope: '', selector: '' },
    }));
    const isCut = shown.length < rest.length;
    return t === 'list_schedules'
      ? { t: 'schedules', schedules: shown, isCut }
      : { t: 'exceptions', exceptions: shown, isCut };
  });
  const given = { principal: ALL, query: { ended: 'include' } };
  const schedules = await call(scheduleOperations({ client: parts } as never), operations.listSchedules.id, given);
  expect(schedules.items.map(({ id }) => id)).toEqual(['e', 'a', 'b', 'c', 'd']);
  const clock = { now: () => 0 };
  const made = exceptionOperations({ client: parts, clock } as never);
  const exceptions = await call(made, operations.listExceptions.id, given);
  expect(exceptions.items.map(({ id }) => id)).toEqual(['e', 'a', 'b', 'c', 'd']);
});

describe('a part that is empty though there are more is an error, and never the end', () => {
  const ANSWERS = {
    scans: { t: 'scans', scans: [], isCut: true },
    schedules: { t: 'schedules', schedules: [], isCut: true },
    exceptions: { t: 'exceptions', exceptions: [], isCut: true },
    scores: { t: 'scan_scores', scores: [], isWhole: true, isCut: true },
    endpoints: { t: 'scan_endpoints', endpoints: [], isWhole: true, isCut: true },
  };
  const store = { findReadable: () => Promise.resolve({ id: 'q1', pack: {} }) };
  const clock = { now: () => 0 };
  const partsOf = (reply: object) => ({ client: clientOf(() => reply), store, clock, byNum: () => undefined }) as never;
  const given = { principal: ALL, params: { id: 'q1' }, query: { limit: 5, check: 'one' } };

  test.each([
    ['scans', () => postureOperations(partsOf(ANSWERS.scans)), operations.listScans.id],
    ['schedules', () => scheduleOperations(partsOf(ANSWERS.schedules)), operations.listSchedules.id],
    ['exceptions', () => exceptionOperations(partsOf(ANSWERS.exceptions)), operations.listExceptions.id],
    ['scores', () => scanResultOperations(partsOf(ANSWERS.scores)), operations.listScanScores.id],
    ['endpoints', () => scanResultOperations(partsOf(ANSWERS.endpoints)), operations.listScanEndpoints.id],
    ['a plan to mend', () => scanResultOperations(partsOf(ANSWERS.endpoints)), operations.planMend.id],
  ] as const)('%s', async (_, made, id) => {
    await expect(call(made() as never, id, given)).rejects.toMatchObject({ code: 'internal' });
  });
});
