import { describe, expect, it } from '@jest/globals';
import { LIMITS, type SessionMode } from '@muster/protocol';
import { fakeSession } from '../../testing/fake-session.js';
import { parseModePolicy, type ModePolicy } from './mode-policy.js';

function policyOf(...rules: object[]): ModePolicy {
  const parsed = parseModePolicy(JSON.stringify({ rules }));
  if (!parsed.ok) throw new Error(parsed.faults.join('\n'));
  return parsed.value;
}
const answer = (policy: ModePolicy, labels: Record<string, string>): [SessionMode, number] => {
  const { mode, intervalMs } = policy.answerFor(fakeSession(1, { labels }).session);
  return [mode, intervalMs];
};

describe('the mode policy', () => {
  it('takes the first rule that matches, for mode and interval together', () => {
    const policy = policyOf(
      { selector: 'site=branch', mode: 'poll', interval: '5m' },
      { selector: 'site', interval: '10s' },
      { selector: 'os=linux', mode: 'poll' },
    );
    expect(answer(policy, { site: 'branch' })).toEqual(['poll', 300_000]);
    expect(answer(policy, { site: 'head' })).toEqual(['live', 10_000]);
    expect(answer(policy, {})).toEqual(['poll', LIMITS.pollIntervalMs]);
  });

  it('is Live where nothing matches, and gives the reason', () => {
    const policy = policyOf({ selector: 'site=branch', mode: 'poll' });
    expect(answer(policy, { site: 'head' })).toEqual(['live', LIMITS.pollIntervalMs]);
    expect(policy.answerFor(fakeSession(1).session).reason).toBe('default');
    expect(policy.answerFor(fakeSession(1, { labels: { site: 'branch' } }).session).reason).toBe('policy: site=branch');
  });

  it('gives the same object to all agents of a rule, whether or not it looks at single endpoints', () => {
    for (const selector of ['site=branch', 'site=branch,host!=host-9']) {
      const policy = policyOf({ selector, mode: 'poll' });
      const labels = { site: 'branch' };
      const [one, other] = [1, 2].map((num) => policy.answerFor(fakeSession(num, { labels }).session));
      expect(one).toBe(other);
    }
  });

  it('distinguishes agents of one profile by id and host', () => {
    const policy = policyOf({ selector: 'host=host-1', mode: 'poll' }, { selector: 'id=a3', interval: '2s' });
    const { profile } = fakeSession(1).session;
    const answers = [1, 2, 3].map((num) => policy.answerFor(Object.assign(fakeSession(num).session, { profile })));
    expect(answers.map(({ mode, intervalMs }) => [mode, intervalMs])).toEqual([
      ['poll', 60_000],
      ['live', 60_000],
      ['live', 2_000],
    ]);
  });
});

describe('the policy file', () => {
  const faultsOf = (document: unknown): string => {
    const parsed = parseModePolicy(typeof document === 'string' ? document : JSON.stringify(document));
    return parsed.ok ? '' : parsed.faults.join('\n');
  };

  it('reports every fault at once, and where it is', () => {
    const faults = faultsOf({
      rules: [
        { selector: 'env=(', mode: 'fast', interval: '999ms' },
        { selector: 'site=a' },
        { mode: 'poll', every: '1m' },
        { selector: 'site=a,!mode', interval: 60 },
        { selector: 'site=b', interval: '25h' },
      ],
      rule: [],
    });
    for (const part of [
      /^rules\.0\.selector: .*at character/m,
      /^rules\.0\.mode: /m,
      /^rules\.0\.interval: must be a duration such as 60s, from 1s to 24h/m,
      /^rules\.1: needs a mode, an interval, or both/m,
      /^rules\.2\.selector: /m,
      /^rules\.2: .*"every"/m,
      /^rules\.3\.selector: must not look at `mode`/m,
      /^rules\.3\.interval: /m,
      /^rules\.4\.interval: /m,
      /"rule"/,
    ]) {
      expect(faults).toMatch(part);
    }
  });

  it('is refused without a list of rules, and accepted with an empty one', () => {
    expect(faultsOf('{}')).toMatch(/^rules: /);
    expect(faultsOf('[')).toMatch(/^not JSON/);
    expect(faultsOf({ rules: [] })).toBe('');
  });
});
