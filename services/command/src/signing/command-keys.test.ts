import { beforeAll, describe, expect, test } from '@jest/globals';
import { CommandVerifier, generateSigningJwks, signCommandKeys } from '@muster/identity';
import { TargetTree, type AgentId, type CommandId, type OrgId } from '@muster/protocol';
import type { CommandRecord } from '@muster/records';
import { makeTestKeys, type TestKeys } from '../testing/command-harness.js';
import { CommandKeys, commandClaims } from './command-keys.js';

let keys: TestKeys;
beforeAll(async () => {
  keys = await makeTestKeys();
});

const record: CommandRecord = {
  ...{ id: 'c1' as CommandId, org: 'acme' as OrgId, action: 'dns.flush', params: {}, dryRun: true, target: '' },
  ...{ targets: { sets: [] }, operator: { id: 'o', name: 'Ann', role: 'admin' }, reason: 'slow' },
  ...{ submittedAtMs: 1_000_500, expiresAtMs: 2_000_500, timeoutMs: 5_000 },
};

test('agents verify what it signs; times are whole seconds that do not shorten the life of a command', () => {
  const tree = TargetTree.over([{ number: 1, agentId: 'a' as AgentId }]);
  const approver = { id: 'b', name: 'Bob' };
  const signed = new CommandKeys(keys.signing, keys.list).sign(
    commandClaims(record, tree, { nowMs: 1_000_900, approver }),
  );
  const verifier = new CommandVerifier({ roots: keys.roots });
  expect(verifier.acceptKeys(signed.keys)).toMatchObject({ ok: true, version: 1 });
  expect(verifier.verify(signed.jws)).toMatchObject({
    ok: true,
    claims: {
      jti: 'c1',
      iat: 1_000,
      exp: 2_001,
      targets: 1,
      operator: { name: 'Ann' },
      approver,
      dryRun: true,
      reason: 'slow',
    },
  });
  expect(signed.approver).toEqual(approver);
});

test('what agents would not read is not signed', () => {
  const tree = TargetTree.over([{ number: 1, agentId: 'a' as AgentId }]);
  const sign = (change: Partial<CommandRecord>) => () =>
    new CommandKeys(keys.signing, keys.list).sign(commandClaims({ ...record, ...change }, tree, { nowMs: 1_000_900 }));
  const operator = { id: 'o', name: 'x'.repeat(300), role: 'admin' } as const;
  expect(sign({ operator })).toThrow(expect.objectContaining({ code: 'bad_request' }));
  expect(sign({ params: { name: 'x'.repeat(30_000) } })).toThrow(expect.objectContaining({ code: 'too_large' }));
});

describe('a key list with which agents would refuse the key is refused at the start', () => {
  test.each([
    ['no list', () => 'nonsense', /muster keys/],
    ['a list without the key', (other: string) => other, /does not have the signing key/],
    ['a list that retired it', (_: string, retired: string) => retired, /is retired/],
  ])('%s', async (_name, pick, message) => {
    const other = (await generateSigningJwks()).keys.map(({ kid, x }) => ({ kid, x }));
    const list = (gone: string[]) => signCommandKeys(keys.root, { version: 2, iat: 0, keys: other, retired: gone });
    const text = pick(list([]), list([keys.signing.keys[0]!.kid]));
    expect(() => new CommandKeys(keys.signing, text)).toThrow(message);
  });
});
