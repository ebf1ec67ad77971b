import { describe, expect, test } from '@jest/globals';
import { CommandSigner, generateCommandRoot } from '@muster/identity';
import type { CommandCaller, CommandReply } from '@muster/messages';
import { PACK_PROPOSAL_MS, type OrgId } from '@muster/protocol';
import { OPEN_POLICY, parsePolicy, type Policy } from './approval-policy.js';
import { signPack } from './sign-pack.js';

const signer = new CommandSigner(await generateCommandRoot());
const keys = {
  signPack: (claims: never) => ({ jws: signer.signPack(claims), keys: 'list' }),
  signProposal: (claims: never) => signer.signProposal(claims),
  openProposal: (jws: string) => signer.openProposal(jws),
};
const NOW = 1_800_000_000_000;
const ORG = 'acme' as OrgId;
const PACK = { pack: 'own', version: '1.0.0', hash: 'a'.repeat(64), checks: 2 };
const DIGEST = 'd'.repeat(64);

function policy(packs: object): Policy {
  const parsed = parsePolicy(JSON.stringify({ packs }));
  if (!parsed.ok) throw new Error(parsed.faults.join());
  return parsed.value;
}
const TWO = policy({ approval: true });

const caller = (id: string, more: Partial<CommandCaller> = {}): CommandCaller =>
  ({
    id,
    name: id,
    role: 'admin',
    bound: '',
    from: '::1',
    person: `token ${id}`,
    origin: 'bootstrap',
    ...more,
  }) as never;

function sign(by: CommandCaller, more: object = {}, given: Policy = TWO, nowMs = NOW): CommandReply {
  const request = { t: 'sign_pack' as const, org: ORG, caller: by, pack: PACK, digest: DIGEST, ...more };
  return signPack(request as never, { keys: keys as never, policy: given, nowMs });
}
function proposal(by: CommandCaller, given: Policy = TWO): string {
  const reply = sign(by, {}, given);
  if (reply.t !== 'pack_waits') throw new Error(reply.t);
  return reply.proposal;
}
const claimsOf = (reply: CommandReply): unknown =>
  reply.t === 'pack_signed' ? JSON.parse(Buffer.from(reply.jws.split('.')[1] ?? '', 'base64url').toString()) : reply;

describe('a pack', () => {
  test('is signed at once where no policy asks for more', () => {
    for (const given of [OPEN_POLICY, policy({ approval: false })])
      expect(claimsOf(sign(caller('ann'), {}, given))).toMatchObject({ operator: { id: 'ann' }, hash: PACK.hash });
  });

  test('waits where it does, and is signed with both names when another admin brings it', () => {
    const waiting = proposal(caller('ann'));
    const reply = sign(caller('bob'), { proposal: waiting });
    expect(reply).toMatchObject({ t: 'pack_signed', proposer: { id: 'ann', name: 'ann' } });
    expect(claimsOf(reply)).toMatchObject({ operator: { id: 'ann' }, approver: { id: 'bob' }, hash: PACK.hash });
  });

  test.each([
    ['the same credential', caller('ann')],
    ['another one with the same name', caller('a2', { name: 'Ann ' })],
    ['one that the first has made', caller('kit', { person: 'token kit', origin: 'token ann' })],
    ['one of the same person', caller('kit', { person: 'token ann' })],
  ])('is not approved by %s', (_who, second) => {
    expect(() => sign(second, { proposal: proposal(caller('ann')) })).toThrow(
      expect.objectContaining({ code: 'self_approval' }),
    );
  });

  test('asks for independent persons where the policy says so, then or now', () => {
    const strict = policy({ approval: true, independent: true });
    for (const [then, now] of [
      [strict, TWO],
      [TWO, strict],
    ] as const)
      expect(() => sign(caller('bob'), { proposal: proposal(caller('ann'), then) }, now)).toThrow(
        expect.objectContaining({ code: 'self_approval' }),
      );
    const elsewhere = caller('bob', { person: 'subject bob', origin: 'subject bob' });
    expect(sign(elsewhere, { proposal: proposal(caller('ann'), strict) }, strict)).toMatchObject({ t: 'pack_signed' });
  });

  test('is not approved by who may not apply one', () => {
    const waiting = proposal(caller('ann'));
    for (const second of [caller('bob', { role: 'responder' }), caller('bob', { bound: 'env=prod' })])
      expect(() => sign(second, { proposal: waiting })).toThrow(expect.objectContaining({ code: 'forbidden' }));
    expect(() => sign(caller('ann', { role: 'responder' }))).toThrow(expect.objectContaining({ code: 'forbidden' }));
  });

  test.each([
    ['another text', { digest: 'e'.repeat(64) }],
    ['other checks', { pack: { ...PACK, hash: 'b'.repeat(64) } }],
    ['another version', { pack: { ...PACK, version: '1.0.1' } }],
    ['another org', { org: 'other' }],
    ['a forged proposal', { proposal: 'a.b.c' }],
  ])('is not approved with %s', (_what, more) => {
    const given = { proposal: proposal(caller('ann')), ...more };
    expect(() => sign(caller('bob'), given)).toThrow(expect.objectContaining({ code: 'conflict' }));
  });

  test('is not approved with what another key signed, nor with a signed pack', async () => {
    const other = new CommandSigner(await generateCommandRoot());
    const claims = {
      iss: 'muster' as const,
      org: ORG,
      ...PACK,
      iat: NOW / 1_000,
      operator: { id: 'ann', name: 'ann' },
    };
    const forged = [other.signProposal({ ...claims, digest: DIGEST, independent: false }), signer.signPack(claims)];
    for (const jws of forged)
      expect(() => sign(caller('bob'), { proposal: jws })).toThrow(expect.objectContaining({ code: 'conflict' }));
  });

  test('does not wait for ever', () => {
    const waiting = proposal(caller('ann'));
    expect(() => sign(caller('bob'), { proposal: waiting }, TWO, NOW + PACK_PROPOSAL_MS + 1)).toThrow(
      expect.objectContaining({ code: 'conflict', message: expect.stringContaining('in time') }),
    );
  });

  test('of an API that does not say which text it is cannot wait', () => {
    expect(() => sign(caller('ann'), { digest: undefined })).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });
});
