import { describe, expect, test } from '@jest/globals';
import type { CommandBody } from '@muster/protocol';
import { AGENT, OTHER_AGENT } from '../../testing/command-endpoint.js';
import { clock, endpoint, issuer, one, undoOf } from '../../testing/command-fixture.js';
import { CommandIssuer } from '../../testing/command-issuer.js';

describe('these do not run', () => {
  const refusals: readonly (readonly [string, string, () => CommandBody])[] = [
    [
      'a changed parameter',
      'unauthentic refused/bad_signature',
      () => changed(one(), { params: { interface: 'eth0' } }),
    ],
    ['a signature over another command', 'unauthentic refused/malformed', () => ({ ...one(), id: one().id })],
    [
      'one for another agent',
      'unauthentic refused/not_a_target',
      () => ({ ...issuer.issue({ targets: [AGENT, OTHER_AGENT] })[1]! }),
    ],
    ['one with another row', 'unauthentic refused/not_a_target', () => ({ ...one(), binding: { pid: 1 } })],
    ['one of another org', 'unauthentic refused/wrong_org', () => one({ claims: { org: 'evil' } })],
    ['one signed by a retired key', 'unauthentic refused/retired_key', () => one({ retired: true })],
    ['no signed text at all', 'unauthentic refused/malformed', () => ({ ...one(), jws: 'x.y.z' })],
    ['one from the future', 'refused/not_yet_valid', () => one({ claims: { iat: clock.now() / 1_000 + 301 } })],
    ['one past its expiry', 'expired/expired', () => one({ claims: { exp: clock.now() / 1_000 } })],
    ['an action nobody knows', 'unsupported/unknown_action', () => one({ claims: { action: 'disk.erase' } })],
    ['parameters that do not fit', 'refused/bad_params', () => one({ claims: { params: { nonsense: 1 } } })],
    ['an undo of what never ran', 'refused/nothing_kept', () => undoOf('c1')],
  ];

  test.each(refusals)('%s: %s', async (_what, expected, make) => {
    const agent = endpoint();
    const body = make();
    await agent.deliver(body);
    expect(agent.newReports()).toEqual([expected]);
    expect(agent.calls).toEqual([]);
    // Only what was signed is worth a line on disk.
    expect(agent.history.size).toBe(expected.startsWith('unauthentic') ? 0 : 1);
  });

  test('a command that another deployment signed, even with its own key list', async () => {
    const foreignIssuer = await CommandIssuer.create(() => clock.now());
    const agent = endpoint();
    await agent.deliver(foreignIssuer.issue({ targets: [AGENT] })[0]!);
    expect(agent.newReports()).toEqual(['unauthentic refused/unknown_key']);
  });

  test('no command without a pinned root; a pinned root stays', async () => {
    const agent = endpoint({ roots: undefined });
    await agent.deliver(one());
    expect(agent.newReports()).toEqual(['unauthentic refused/no_trust']);
    expect(agent.trust.pin(issuer.roots)).toBe(true);
    const foreignIssuer = await CommandIssuer.create(() => clock.now());
    expect(agent.trust.pin(foreignIssuer.roots)).toBe(false);
    await agent.deliver(foreignIssuer.issue({ targets: [AGENT] })[0]!, one());
    expect(agent.newReports()).toEqual(['unauthentic refused/unknown_key', 'running']);
    const later = endpoint({ roots: undefined });
    await later.deliver(foreignIssuer.issue({ targets: [AGENT] })[0]!);
    expect(later.newReports()).toContain('unauthentic refused/unknown_key');
  });

  test('a command with an older key list than the newest one, also after a restart', async () => {
    const first = endpoint();
    first.trust.acceptKeys(issuer.keyList(2));
    const second = endpoint();
    const body = { ...one({ retired: true }), keys: issuer.keyList(1) };
    await second.deliver(body);
    expect(second.newReports()).toEqual(['unauthentic refused/retired_key']);
  });

  test('a command that the policy forbids, or that lacks the approval of a second person', async () => {
    const policy = { actions: ['arp.*', 'service.stop', 'undo'], requireApproval: ['destructive', 'arp.flush'] };
    const agent = endpoint({ policy });
    await agent.deliver(one({ claims: { action: 'dns.flush' } }));
    await agent.deliver(one());
    await agent.deliver(one({ claims: { approver: { id: 'alice', name: 'Alice' } } }));
    const operator = { id: 'alice', name: 'Alice', person: 'token:alice' };
    await agent.deliver(one({ claims: { operator, approver: { id: 'al', name: 'Al', person: 'token:alice' } } }));
    expect(agent.newReports()).toEqual([
      'refused/action_not_allowed',
      'refused/approval_missing',
      'refused/approval_missing',
      'refused/approval_missing',
    ]);
    await agent.deliver(one({ claims: { approver: { id: 'bob', name: 'Bob' } } }));
    expect(agent.newReports()).toEqual(['running']);
    await agent.deliver(one({ claims: { dryRun: true } }));
    expect(agent.newReports()).toEqual(['accepted']);
  });

  test('more commands than a queue holds', async () => {
    const agent = endpoint();
    await agent.deliver(...Array.from({ length: 34 }, () => one()));
    expect(agent.newReports()).toEqual([...Array.from({ length: 32 }, () => 'accepted'), 'refused/busy', 'running']);
  });
});

/** Other claims under the same signature. */
function changed(body: CommandBody, claims: object): CommandBody {
  const [header, payload, signature] = body.jws.split('.');
  const old = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as object;
  const next = Buffer.from(JSON.stringify({ ...old, ...claims })).toString('base64url');
  return { ...body, jws: `${header}.${next}.${signature}` };
}
