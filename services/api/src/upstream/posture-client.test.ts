import { expect, test } from '@jest/globals';
import type { RequestResult } from '@muster/bus';
import { decodeServiceMessage, type ChangeTerms, type PostureRequest, type RequestTerms } from '@muster/messages';
import { AppError, type OrgId } from '@muster/protocol';
import type { AskOptions, Encode } from '@muster/service-base';
import { PostureClient } from './posture-client.js';

const org = 'acme' as OrgId;
const READS: readonly PostureRequest[] = [
  { t: 'list_packs', org },
  { t: 'show_scan', org, id: 'q1' as never },
  { t: 'scan_findings', org, id: 'q1' as never },
  { t: 'list_feeds', org },
];
const CHANGES = [
  { t: 'delete_exception', org, id: 'e', by: { id: 'a', name: 'A' } },
  { t: 'begin_feed', org, name: 'f', kind: 'osv' },
  { t: 'start_scan', org },
] as unknown as readonly PostureRequest[];

async function faultOf(request: PostureRequest, result: RequestResult) {
  let given: AskOptions | undefined;
  const ask = (_encode: Encode, options: AskOptions): Promise<RequestResult> => {
    given = options;
    return Promise.resolve(result);
  };
  const error: unknown = await new PostureClient({ asker: { ask } }).ask(request, 'packs').catch((thrown) => thrown);
  if (!AppError.is(error)) throw new Error('nothing was thrown');
  return { error, given };
}

const SILENCES: readonly RequestResult[] = [{ kind: 'timeout' }, { kind: 'disconnected', mayHaveArrived: true }];

test.each(READS)('a read without an answer says that nothing was read, and is given up early: $t', async (request) => {
  for (const result of SILENCES) {
    const { error, given } = await faultOf(request, result);
    expect(error.message).toMatch(/; nothing was read; try again in a moment$/);
    expect(error).toMatchObject({ retryable: true, details: { retryAfterMs: 1_000 } });
    expect(given).toEqual({ timeoutMs: 12_000, silentMs: 5_000 });
  }
});

test.each(CHANGES)('a change without an answer may be made yet, and is waited for: $t', async (request) => {
  for (const result of SILENCES) {
    const { error, given } = await faultOf(request, result);
    expect(error.message).toMatch(/; whether it does what was asked is not known$/);
    expect(given).toEqual({ timeoutMs: 12_000 });
  }
});

/** The id of the change that two instances get, which are asked in one call. */
async function changeIdsOf(request: PostureRequest): Promise<(string | undefined)[]> {
  const ids: (string | undefined)[] = [];
  const ask = (encode: Encode): Promise<RequestResult> => {
    for (const expiresAtMs of [1, 2])
      ids.push(decodeServiceMessage<PostureRequest & ChangeTerms & RequestTerms>(encode({ expiresAtMs })).changeId);
    return Promise.resolve({ kind: 'timeout' });
  };
  await new PostureClient({ asker: { ask } }).ask(request, 'packs').catch(() => undefined);
  return ids;
}

test.each(CHANGES)(
  'a change is named the same at each instance, and otherwise in another call: $t',
  async (request) => {
    const [[one, two], [other]] = [await changeIdsOf(request), await changeIdsOf(request)];
    expect(one).toMatch(/^[0-9a-f-]{36}$/);
    expect(two).toBe(one);
    expect(other).not.toBe(one);
  },
);

test.each(READS)('a read is no change: $t', async (request) => {
  expect(await changeIdsOf(request)).toEqual([undefined, undefined]);
});
