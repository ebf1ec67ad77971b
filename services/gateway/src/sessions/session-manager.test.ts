import { describe, expect, it } from '@jest/globals';
import { CLOSE, decodeBody, encodeBody, FLAG_FINAL, FRAME } from '@muster/protocol';
import { turn } from '../testing/capability-harness.js';
import { HELLO, lastOf, sessionManagerHarness } from '../testing/session-manager-harness.js';

describe('a session', () => {
  it('is challenged, registered and welcomed with what capabilities add, before they send anything', async () => {
    const { noting, hub, becomesReady } = sessionManagerHarness();
    const fake = await becomesReady(1);
    expect(fake.frames.map(({ type }) => type)).toEqual([FRAME.challenge, FRAME.welcome]);
    expect(decodeBody('welcome', fake.frames[1]!.body)).toMatchObject({
      body: { epoch: 7, token: 'a new token', commandKeys: 'keys', heartbeatMs: 15_000 },
    });
    expect([noting.events, hub.size]).toEqual([['welcome', 'ready ready'], 1]);
  });

  it('hands each frame to the capability that takes frames of its type', async () => {
    const { noting, send, becomesReady } = sessionManagerHarness();
    const fake = await becomesReady(1);
    send(fake, FRAME.rows, new Uint8Array(), { ref: 9, flags: FLAG_FINAL });
    send(fake, FRAME.report);
    expect(noting.events.slice(2)).toEqual([`rows 9 ${FLAG_FINAL}`, 'report']);
  });

  it.each([
    ['a second hello', FRAME.hello, 0, 'frame type'],
    ['a frame that only gateways send', FRAME.command, 0, 'frame type'],
    ['a frame that no capability takes', FRAME.queryEnd, 0, 'frame type'],
    ['a handle where none is meant', FRAME.report, 5, 'a handle'],
  ] as const)('ends at %s', async (_what, type, ref, detail) => {
    const { noting, table, send, becomesReady } = sessionManagerHarness();
    const fake = await becomesReady(1);
    send(fake, type, encodeBody('hello', HELLO), { ref });
    expect(lastOf(fake)).toMatchObject({ body: { code: 'protocolError', message: expect.stringContaining(detail) } });
    expect([table.size, noting.events.at(-1)]).toEqual([0, 'closed']);
  });

  it.each(['live', 'poll'] as const)(
    'over %s is not registered when its agent was revoked between the upgrade and the hello',
    async (mode) => {
      const { table, hub, noting, registered, revoked, open, send } = sessionManagerHarness();
      const fake = open(1, mode);
      // Nobody tells the manager: the revocation came before it knew of this connection.
      revoked.add('acme/a1');
      send(fake, FRAME.hello, encodeBody('hello', HELLO));
      await turn();
      expect([lastOf(fake), fake.closes]).toMatchObject([{ body: { code: 'revoked' } }, [CLOSE.revoked.code]]);
      expect([registered, table.size, hub.size, noting.events]).toEqual([[], 0, 0, []]);
    },
  );

  it('takes no frame of a capability before it is ready', () => {
    const { noting, open, send } = sessionManagerHarness();
    const fake = open(1);
    send(fake, FRAME.report);
    expect([noting.events, lastOf(fake)]).toMatchObject([[], { body: { code: 'protocolError' } }]);
  });

  it('ends with the fault that a capability returns', async () => {
    const { noting, ended, send, becomesReady } = sessionManagerHarness();
    const fake = await becomesReady(1);
    noting.fault = { reason: 'overloaded', detail: 'too much' };
    send(fake, FRAME.report);
    expect(lastOf(fake)).toMatchObject({ body: { code: 'overloaded', message: 'too much' } });
    expect(ended).toHaveLength(1);
  });

  it('takes the place of an older one of the same agent, which ends after it is ready', async () => {
    const { noting, hub, becomesReady } = sessionManagerHarness();
    const former = await becomesReady(1);
    const newer = await becomesReady(1);
    expect(lastOf(former)).toMatchObject({ body: { code: 'superseded' } });
    expect(hub.get(newer.session.agentId)?.connection).toBe(newer.session.connection);
    expect(noting.events).toEqual(['welcome', 'ready ready', 'welcome', 'ready ready', 'closed']);
  });
});

describe('capabilities hear', () => {
  it('about new labels, a lapsed lease, and a fencing before their sessions are closed', async () => {
    const { manager, noting, hub, identity, becomesReady } = sessionManagerHarness();
    const fake = await becomesReady(1);
    noting.events.length = 0;
    manager.labelsChanged(fake.session.org, fake.session.agentId);
    expect(hub.get(fake.session.agentId)?.profile?.labels).toMatchObject({ site: 'x' });
    identity.lapsed();
    manager.fenced();
    expect(noting.events).toEqual(['relabelled', 'lapsed', 'fenced', 'closed']);
    expect(lastOf(fake)).toMatchObject({ body: { code: 'fenced' } });
  });

  it('nothing when two of them take the same frames: the constructor throws', () => {
    expect(() => sessionManagerHarness(2)).toThrow('noting takes frames that are taken');
  });
});
