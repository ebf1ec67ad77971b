import { expect, test } from '@jest/globals';
import { RequestSeal } from '@muster/identity';
import { encodeBusMessage, type CommandRequest } from '@muster/messages';
import type { OrgId } from '@muster/protocol';
import { openRequest } from './open-request.js';

const NOW = 1_700_000_000_000;
const seal = new RequestSeal(['k'.repeat(32)]);
const caller = { id: 'o', name: 'Ann', role: 'responder', bound: '', from: '' } as const;
const common = { org: 'acme' as OrgId, caller, dryRun: false, expiresInMs: 1_000 };
const submit: CommandRequest = { t: 'submit', ...common, action: 'dns.flush', params: {}, target: { selector: '' } };
const sealed = (request: CommandRequest) => seal.seal(encodeBusMessage(request), NOW);

test('a request that an API sealed is read; one of another client of the broker is refused', () => {
  expect(openRequest(sealed(submit), seal, NOW)).toMatchObject(submit);
  const forged = [
    encodeBusMessage(submit),
    new RequestSeal(['x'.repeat(32)]).seal(encodeBusMessage(submit), NOW),
    new Uint8Array(),
  ];
  for (const data of forged) expect(() => openRequest(data, seal, NOW)).toThrow(/MUSTER_COMMAND_REQUEST_KEY/);
  expect(() => openRequest(sealed(submit), seal, NOW + 61_000)).toThrow(/clocks/);
});

test('a replay has the request key of its original; an equal request that is sealed again has another', () => {
  const keyOf = (data: Uint8Array) => (openRequest(data, seal, NOW) as { requestKey?: string }).requestKey;
  const data = sealed(submit);
  expect(keyOf(data)).toBeDefined();
  expect(keyOf(Buffer.from(data))).toBe(keyOf(data));
  expect(keyOf(sealed(submit))).not.toBe(keyOf(data));
});

test('a request key of the operator is kept', () => {
  const keyed = { ...submit, requestKey: 'of the operator' };
  expect(openRequest(sealed(keyed), seal, NOW)).toMatchObject({ requestKey: 'of the operator' });
});

test('without a seal every request is read', () => {
  expect(openRequest(encodeBusMessage(submit), undefined, NOW)).toEqual(submit);
});
