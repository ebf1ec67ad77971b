import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { operations, openApiDocument } from '@muster/api-contract';
import { ROLES } from '@muster/identity';
import { trustedProxies } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly example?: unknown;
}

/** One operation as the document has it. */
interface Documented {
  readonly operationId: string;
  readonly 'x-muster-role'?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly example: unknown } } };
}

/** The walk reads the document alone: what it says of an operation is what a reader relies on. */
const document = openApiDocument(Object.values(operations)) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>;
};
const walk = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method, path, operation, id: operation.operationId })),
);

let api: ApiFixture;
const tokens = new Map<string, string>();

beforeAll(async () => {
  // Strangers are limited by their address: each call has its own.
  api = await ApiFixture.start({ proxies: trustedProxies(['127.0.0.1']) });
  api.service.endsAtOnce = true;
  for (const role of ROLES) tokens.set(role, (await api.token({ role })).token);
});
afterAll(() => api.stop());

/** What is brought along decides, a token, a code, a sign-in elsewhere, and not who calls: the examples of the document are nobody's. */
const SIGN_IN: ReadonlySet<string> = new Set(['signIn', 'exchangeSignInLink', 'startOidc', 'finishOidc']);

let calls = 0;

interface Outcome {
  readonly status: number;
  readonly code: string | undefined;
}

/** Calls an operation with the document's own examples. A stream is left at its head. */
async function call({ method, path, operation }: (typeof walk)[number], token: string | undefined): Promise<Outcome> {
  const { parameters = [], requestBody } = operation;
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const example = parameters.find((one) => one.in === 'path' && one.name === name)?.example;
    return encodeURIComponent(String(example));
  });
  const search = new URLSearchParams(
    parameters
      .filter((one) => one.in === 'query' && one.required === true)
      .map((one): [string, string] => [one.name, String(one.example)]),
  );
  const body = requestBody?.content['application/json'].example;
  const response = await fetch(`${api.url}${filled}?${search.toString()}`, {
    method: method.toUpperCase(),
    headers: {
      'x-forwarded-for': `198.51.100.${(calls += 1) % 250}`,
      // Nobody signs in without TLS.
      'x-forwarded-proto': 'https',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!(response.headers.get('content-type') ?? '').includes('problem')) {
    await response.body?.cancel();
    return { status: response.status, code: undefined };
  }
  return { status: response.status, code: ((await response.json()) as { code: string }).code };
}

test('the document says of every operation which role it needs', () => {
  const known = ['public', ...ROLES];
  expect(walk.filter(({ operation }) => !known.includes(operation['x-muster-role'] ?? 'nothing'))).toEqual([]);
  // A walk over nothing, or over operations that anybody may call, proves nothing.
  expect(new Set(walk.map(({ operation }) => operation['x-muster-role']))).toEqual(new Set(known));
  expect(walk.length).toBe(Object.keys(operations).length);
});

describe.each(walk.map((one) => [one.id, one] as const))('%s', (_, one) => {
  const role = one.operation['x-muster-role'] ?? 'nothing';

  test('nobody without credentials', async () => {
    const { status, code } = await call(one, undefined);
    if (SIGN_IN.has(one.id)) expect([401, 404]).toContain(status);
    else if (role === 'public') expect([200, 304]).toContain(status);
    else expect([status, code]).toEqual([401, 'unauthenticated']);
  });

  test.each(ROLES)('a %s, as the document says', async (caller) => {
    const { status, code } = await call(one, tokens.get(caller));
    if (SIGN_IN.has(one.id)) {
      expect([status, code]).toEqual(Object.values(await call(one, undefined)));
      return;
    }
    const isAllowed = role === 'public' || ROLES.indexOf(caller) >= ROLES.findIndex((each) => each === role);
    if (isAllowed) expect([401, 403]).not.toContain(status);
    else expect([status, code]).toEqual([403, 'forbidden']);
  });
});

test('every refusal is in the audit record', async () => {
  const lower = walk.flatMap(({ operation }) => {
    const least = ROLES.findIndex((each) => each === operation['x-muster-role']);
    return ROLES.slice(0, Math.max(0, least));
  });
  await eventually(async () => {
    const refused = (await api.audit()).filter(({ code }) => code === 'forbidden');
    expect(refused.length).toBe(lower.length);
    return true;
  });
});
