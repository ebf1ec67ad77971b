import { describe, expect, test } from '@jest/globals';
import { operations, type OperationContract } from '@muster/api-contract';
import type { OrgId } from '@muster/protocol';
import type { Asked } from '../testing/api-fixture.js';
import { ORG } from '../testing/api-fixture.js';
import { PACK_DIGEST } from '../testing/fake-posture-service.js';
import { makeWorld, type Objects, type World } from '../testing/two-worlds.js';

interface Sample {
  readonly body?: unknown;
  /** A body that has to be made for each call. */
  readonly makeBody?: (world: World) => Promise<unknown>;
  /** The query strings with which it is called; none unless given. */
  readonly queries?: readonly string[];
  /** Which object the `{id}` of its path is, where it is not the one of the path's first segment. */
  readonly id?: keyof Objects & 'pendingCommand';
  /** Its stream does not end: only its status is compared. */
  readonly isEndless?: true;
}

const PACK = `kind: muster/pack
format: 1
id: baseline
version: 1.0.0
title: Baseline
checks:
  - id: one
    title: One
    severity: high
    platforms: [linux]
    sql: SELECT 1
    row_means: fail
`;

const KILL = { action: 'process.kill', params: { name: 'abc.exe' }, target: { selector: '' } };

/** How the operations are called that need more than their path. An operation with a body that is missing here fails the test. */
const SAMPLES: { readonly [id in keyof typeof operations]?: Sample } = {
  startQuery: { body: { sql: 'SELECT 1' } },
  applyPack: { body: { text: PACK } },
  approvePack: { body: { digest: PACK_DIGEST } },
  rejectPack: { body: { digest: PACK_DIGEST } },
  beginFeedUpload: { body: { kind: 'osv' } },
  putFeedPart: { body: { upload: '0'.repeat(26), part: 0, data: 'AA==' } },
  endFeedUpload: { body: { upload: '0'.repeat(26), parts: 1 } },
  startVulnerabilityScan: { body: {} },
  startScan: { body: { pack: 'baseline' } },
  listFindings: { queries: ['', '?format=csv', '?format=ndjson', '?format=ocsf'] },
  listScanEndpoints: { queries: ['?check=one'] },
  listScanScores: { queries: ['', '?by=site'] },
  planMend: { queries: ['?check=one'] },
  createSchedule: { body: { name: 'nightly', pack: 'baseline', cron: '0 2 * * *' } },
  changeSchedule: { body: { state: 'paused' } },
  createException: {
    body: { pack: 'baseline', check: 'one', owner: 'ops', reason: 'known', until: '2999-01-01T00:00:00Z' },
  },
  reduceQuery: { body: { sql: 'SELECT * FROM rows' } },
  listQueryRows: { queries: ['', '?format=csv', '?format=ndjson'] },
  listAgents: { queries: ['', '?revoked=include&counts=site,os', '?selector=health%3Dunknown'] },
  submitCommand: { body: KILL },
  planCommand: { body: KILL },
  undoCommand: { body: {} },
  approveCommand: { body: {}, id: 'pendingCommand' },
  labelAgent: { body: { set: { a: '1' } } },
  labelAgents: { body: { selector: '', set: { b: '1' } } },
  orderMode: { body: { selector: '', mode: 'poll' } },
  revokeAgent: { body: { reason: 'lost' } },
  createToken: { body: { name: 'new', role: 'viewer' } },
  streamAgentMetrics: { isEndless: true },
  streamHealthEvents: { isEndless: true },
  openStream: { body: { subscriptions: [] }, isEndless: true },
  changeStream: { body: { add: [{ id: 'n', kind: 'fleet' }] } },
  signIn: { makeBody: async ({ token }) => ({ token }) },
  reauthenticate: { body: { token: 'mst_x' } },
  createSignInLink: { body: {} },
  exchangeSignInLink: { makeBody: signInCode },
  putQuestion: { body: { version: 1, sql: 'SELECT 2' } },
  createWebhook: {
    body: {
      url: 'https://hooks.example/x',
      events: ['agent.revoked'],
      secret: 'a secret is long'.replaceAll(' ', '-'),
    },
  },
};

async function signInCode({ api, token }: World): Promise<unknown> {
  const { body } = await api.ask('POST', '/v1/session/links', { token, body: {} });
  return { code: (body.path as string).replace('/sign-in#code=', '') };
}

/** Operations whose path names nothing of an org, or what all orgs may have: each sees its own. */
const FOR_ALL: ReadonlySet<string> = new Set(['tables', 'problems', 'packs', 'feeds']);

/** What is there only with a provider of identities, or for a session of the console. */
const NOT_CONFIGURED: ReadonlySet<string> = new Set(['startOidc', 'finishOidc', 'reauthenticate']);

/** What a bounded admin may not do at all. */
const NOT_FOR_BOUNDED: ReadonlySet<string> = new Set([
  ...['readAuditChain', 'readAuditedJournal', 'listEnrolmentSecrets'],
  ...['beginFeedUpload', 'putFeedPart', 'endFeedUpload', 'deleteFeed'],
  ...['rejectPack', 'removePack'],
]);

/** Reading before changing; the audit record first, because calls add to it. */
const inOrder: readonly OperationContract[] = Object.values<OperationContract>(operations).toSorted(
  (a, b) => rank(a) - rank(b),
);

function rank({ tag, method }: OperationContract): number {
  return tag === 'audit' ? 0 : ['get', 'post', 'put', 'patch', 'delete'].indexOf(method) + 1;
}

function pathOf({ id, path }: OperationContract, objects: Objects): string {
  return path.replaceAll(/\/([\w-]+)\/\{\w+\}/g, (_, kind: string) => {
    if (kind === 'tables') return '/tables/processes';
    if (kind === 'problems') return '/problems/not_found';
    if (kind === 'packs' || kind === 'pack-proposals') return `/${kind}/baseline`;
    if (kind === 'feeds') return '/feeds/debian';
    const named = SAMPLES[id as keyof typeof operations]?.id ?? kind;
    const found = Object.hasOwn(objects, named) ? String(objects[named as keyof Objects]) : undefined;
    if (found === undefined) throw new Error(`${id}: say what the parameter of /${kind}/ is`);
    return `/${kind}/${found}`;
  });
}

async function call(world: World, operation: OperationContract, objects: Objects, query = ''): Promise<Asked> {
  const { makeBody, isEndless, ...sample } = SAMPLES[operation.id as keyof typeof operations] ?? {};
  const body = makeBody === undefined ? sample.body : await makeBody(world);
  if (isEndless === true) return begin(world, operation.method, pathOf(operation, objects), body);
  if (operation.body !== undefined && body === undefined) throw new Error(`${operation.id}: it needs a sample body`);
  return world.api.ask(operation.method.toUpperCase(), pathOf(operation, objects) + query, {
    token: world.token,
    ...(body === undefined ? {} : { body }),
  });
}

/** The head of an answer, and its body where that is a problem. */
async function begin({ api, token }: World, method: string, path: string, body: unknown): Promise<Asked> {
  const response = await fetch(api.url + path, {
    method: method.toUpperCase(),
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status !== 200)
    return { status: response.status, headers: response.headers, text: '', body: await response.json() };
  await response.body?.cancel();
  return { status: 200, headers: response.headers, text: '', body: undefined };
}

/** An answer without what differs by chance: ids, moments, sequences and the order of lists by id. */
function plain({ text }: Asked, { own }: World): unknown {
  let named = text;
  for (const [i, id] of own.agentIds.entries()) named = named.replaceAll(id, `agent-${i}`);
  named = named
    .replaceAll(/\b[qcv][0-9a-z]{26}\b/g, 'ID')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(
      /"(tokenId|id|subject|actor|createdBy|agentId|nextCursor|hash|journal|prev|requestId|gatewayId|token|upload)":"[^"]*"/g,
      '"$1":"ID"',
    )
    .replaceAll(/"(seq|atMs|time|created_time)":\d+/g, '"$1":0')
    .replaceAll(/"lastUsedAt":"[^"]*",?/g, '')
    .replaceAll(/msl_[\w.-]+/g, 'CODE')
    .replaceAll(/^id: \d+$/gm, 'id: 0');
  const lines = named.split('\n').filter((line) => line !== '');
  return lines
    .map((line) => (line.startsWith('{') ? sorted(JSON.parse(line)) : line))
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => JSON.stringify(sorted(each))).toSorted();
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, sorted(member)]));
}

/** All that the caller sees: of their own things, and of things that are none of theirs or do not exist. */
async function view(world: World, strangers: Objects): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  const withId = inOrder.filter(({ path, tag }) => path.includes('{') && !FOR_ALL.has(tag));
  for (const operation of withId) {
    const [query] = SAMPLES[operation.id as keyof typeof operations]?.queries ?? [''];
    const { status, body } = await call(world, operation, strangers, query);
    seen[`${operation.id} of a stranger`] = [status, body?.code];
  }
  for (const operation of inOrder) {
    for (const query of SAMPLES[operation.id as keyof typeof operations]?.queries ?? ['']) {
      const answer = await call(world, operation, world.own, query);
      seen[operation.id + query] = [answer.status, plain(answer, world)];
    }
  }
  return seen;
}

const NOBODY: Objects = {
  agents: 'a'.repeat(24),
  agentIds: [],
  queries: `q${'0'.repeat(26)}`,
  commands: `c${'0'.repeat(26)}`,
  pendingCommand: `c${'0'.repeat(26)}`,
  tokens: 'a'.repeat(16),
  webhooks: `w${'a'.repeat(16)}`,
  sessions: `s${'a'.repeat(16)}`,
  stream: `${'0'.repeat(16)}.${'0'.repeat(32)}`,
  questions: 'made-by-nobody',
  scans: `q${'0'.repeat(26)}`,
  schedules: `sch${'a'.repeat(13)}`,
  exceptions: `exc${'a'.repeat(13)}`,
  vulnerabilities: 'CVE-2026-9',
  'vulnerability-scans': `v${'0'.repeat(26)}`,
};

describe.each([
  ['an admin of one org, beside another org', { role: 'admin' }, 'neighbour' as OrgId],
  ['an admin whom a selector bounds, beside the rest of their org', { role: 'admin', selector: 'site=one' }, ORG],
] as const)('%s', (_, caller, crowd) => {
  test('sees in every operation what they would see if they were alone', async () => {
    const alone = await makeWorld({ caller });
    const crowded = await makeWorld({ caller, crowd });
    try {
      const seenAlone = await view(alone, NOBODY);
      expect(await view(crowded, crowded.foreign ?? NOBODY)).toEqual(seenAlone);
      for (const { id, path, tag, platform } of inOrder) {
        const refused = platform === true || ('selector' in caller && NOT_FOR_BOUNDED.has(id));
        // Of a comparison of failures nothing follows.
        const [query = ''] = SAMPLES[id as keyof typeof operations]?.queries ?? [];
        const seen = seenAlone[id + query] as [number] | undefined;
        expect([id, seen?.[0]]).toEqual([id, refused ? 403 : expect.any(Number)]);
        if (NOT_CONFIGURED.has(id)) continue;
        if (!refused) expect([id, (seen?.[0] ?? 999) < 300]).toEqual([id, true]);
        if (path.includes('{') && !FOR_ALL.has(tag))
          expect(seenAlone[`${id} of a stranger`]).toEqual([404, 'not_found']);
      }
    } finally {
      await alone.api.stop();
      await crowded.api.stop();
    }
  });
});
