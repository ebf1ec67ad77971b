import { describe, expect, it } from '@jest/globals';
import {
  parseSelector,
  type AgentId,
  type Labels,
  type OrgId,
  type Selector,
  type SessionMode,
} from '@muster/protocol';
import { Hub } from './hub.js';
import { makeProfile } from '../../foundation/profile.js';
import type { Session } from './session.js';
import { fakeSession } from '../../testing/fake-session.js';

let count = 0;

function session(options: {
  id: string;
  org?: string;
  host?: string;
  os?: 'linux' | 'windows';
  mode?: SessionMode;
  labels?: Labels;
}): Session {
  const { id, org = 'acme', host = `host-${id}`, ...rest } = options;
  return fakeSession((count += 1), { agentId: id, org: org as OrgId, host, ...rest }).session;
}

function select(hub: Hub, text: string, org = 'acme'): string[] {
  return hub
    .select(org as OrgId, selector(text))
    .map(({ agentId }) => agentId)
    .toSorted();
}

function selector(text: string): Selector {
  const parsed = parseSelector(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.selector;
}

describe('Hub', () => {
  const fill = (): Hub => {
    const hub = new Hub();
    hub.add(session({ id: 'a', labels: { env: 'prod' } }));
    hub.add(session({ id: 'b', labels: { env: 'prod' } }));
    hub.add(session({ id: 'c', os: 'windows', labels: { env: 'test' } }));
    hub.add(session({ id: 'd', org: 'globex', labels: { env: 'prod' } }));
    return hub;
  };

  it('selects by built-in and other labels within one org', () => {
    const hub = fill();
    expect(select(hub, '')).toEqual(['a', 'b', 'c']);
    expect(select(hub, 'os=linux,env in (prod,staging)')).toEqual(['a', 'b']);
    expect(select(hub, 'env!=prod')).toEqual(['c']);
    expect(select(hub, 'host=host-b')).toEqual(['b']);
    expect(select(hub, 'id in (a,d)')).toEqual(['a']);
    expect(select(hub, 'mode=live,version=1,arch=x64')).toEqual(['a', 'b', 'c']);
    expect(select(hub, 'mode=poll')).toEqual([]);
    hub.add(session({ id: 'e', mode: 'poll', labels: { env: 'prod' } }));
    expect([select(hub, 'mode=poll'), select(hub, 'env=prod,mode!=poll')]).toEqual([['e'], ['a', 'b']]);
    expect(select(hub, '', 'globex')).toEqual(['d']);
    expect(select(hub, '', 'nobody')).toEqual([]);
  });

  it('shares one profile among equal sessions', () => {
    const hub = fill();
    expect(hub.get('a' as AgentId)?.profile).toBe(hub.get('b' as AgentId)?.profile);
  });

  it('removes only the very session it was given', () => {
    const hub = fill();
    const former = hub.get('a' as AgentId);
    const next = session({ id: 'a', labels: { env: 'prod' } });
    if (former === undefined) throw new Error('missing');
    hub.remove(former);
    hub.add(next);
    expect(hub.remove(former)).toBe(false);
    expect(hub.get('a' as AgentId)).toBe(next);
    expect(select(hub, '').length).toBe(3);
  });

  it('has the newer session of an agent only, also when nobody has removed the older one', () => {
    const hub = fill();
    const former = hub.get('a' as AgentId);
    if (former === undefined) throw new Error('missing');
    hub.add(session({ id: 'a', labels: { env: 'lab' } }));
    expect([select(hub, 'env=prod'), select(hub, 'env=lab'), hub.size]).toEqual([['b'], ['a'], 4]);
    expect(hub.remove(former)).toBe(false);
  });

  it('finds a session under its new labels only, after they changed', () => {
    const hub = fill();
    const one = hub.get('a' as AgentId);
    const profile = one?.profile;
    if (one === undefined || profile === undefined) throw new Error('missing');
    hub.relabel(one, makeProfile(profile, { env: 'prod' }, { env: 'lab' }));
    expect(select(hub, 'env=prod')).toEqual(['b']);
    expect(select(hub, 'env=lab')).toEqual(['a']);
    expect(hub.size).toBe(4);
  });

  it('is empty again when all have left', () => {
    const hub = fill();
    for (const one of [...hub.sessions()]) hub.remove(one);
    expect([hub.size, select(hub, '')]).toEqual([0, []]);
  });

  it('knows whether a selector selects one session', () => {
    const hub = fill();
    const one = hub.get('a' as AgentId)!;
    const matching = ['', 'env=prod', 'id=a', 'host=host-a', 'env=test', 'id=b'].map((text) =>
      hub.matches(one, selector(text)),
    );
    expect(matching).toEqual([true, true, true, true, false, false]);
    one.profile = undefined;
    expect(hub.matches(one, selector(''))).toBe(false);
  });

  it('takes no session without a profile, and relabels none that has left', () => {
    const hub = new Hub();
    const one = session({ id: 'a' });
    const { profile } = one;
    one.profile = undefined;
    expect(() => hub.add(one)).toThrow(TypeError);
    one.profile = profile;
    hub.relabel(one, makeProfile(profile!, { env: 'lab' }, {}));
    expect([hub.size, one.profile]).toEqual([0, profile]);
  });

  it('counts the sessions of each channel, as they begin and end', () => {
    const counts = { live: 0, poll: 0 };
    const counting = (mode: SessionMode) => ({
      sessionBegan: () => void (counts[mode] += 1),
      sessionEnded: () => void (counts[mode] -= 1),
    });
    const hub = new Hub({ live: counting('live'), poll: counting('poll') } as never);
    const [live, poll] = [session({ id: 'a' }), session({ id: 'b', mode: 'poll' })];
    for (const one of [live, poll, session({ id: 'b', mode: 'poll' })]) hub.add(one);
    expect(counts).toEqual({ live: 1, poll: 1 });
    hub.remove(poll);
    hub.remove(live);
    hub.remove(live);
    expect(counts).toEqual({ live: 0, poll: 1 });
  });
});
