import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { decodeBody } from '@muster/protocol';
import { makeProfile } from '../../foundation/profile.js';
import { capabilityContext, turn } from '../../testing/capability-harness.js';
import { fakeSession } from '../../testing/fake-session.js';
import { MetricsHandler } from './metrics-handler.js';
import { parseMetricsPolicy, type MetricsPolicy } from './metrics-policy.js';

function policyOf(...rules: object[]): MetricsPolicy {
  const parsed = parseMetricsPolicy(JSON.stringify({ rules }));
  if (!parsed.ok) throw new Error(parsed.faults.join('\n'));
  return parsed.value;
}

describe('the metrics policy', () => {
  it('takes the first rule that matches; a sample a minute where none does', () => {
    const policy = policyOf(
      { selector: 'env=prod,os=linux', interval: '10s' },
      { selector: 'mode=poll', interval: '10m' },
      { selector: 'host=host-3', interval: 'off' },
    );
    const intervalOf = (num: number, options: Parameters<typeof fakeSession>[1] = {}): number =>
      policy.intervalFor(fakeSession(num, options).session);
    expect(intervalOf(1, { labels: { env: 'prod' }, mode: 'poll' })).toBe(10_000);
    expect(intervalOf(2, { mode: 'poll' })).toBe(600_000);
    expect([intervalOf(3), intervalOf(4)]).toEqual([0, 60_000]);
  });

  it('reports every fault of a file at once', () => {
    const rules = [
      { selector: 'env=(', interval: '9s' },
      { selector: 'site=a', interval: '11m' },
      { selector: 'site=b' },
      { selector: 'site=c', interval: '60s', mode: 'live' },
    ];
    const parsed = parseMetricsPolicy(JSON.stringify({ rules }));
    const faults = parsed.ok ? [] : parsed.faults.map((fault) => fault.split(':')[0]);
    expect(new Set(faults)).toEqual(
      new Set(['rules.0.selector', 'rules.0.interval', 'rules.1.interval', 'rules.2.interval', 'rules.3']),
    );
  });
});

describe('a change', () => {
  async function setUp(sessions: number) {
    const folder = await mkdtemp(join(tmpdir(), 'metrics-policy-'));
    const policyFile = join(folder, 'policy.json');
    const write = (...rules: object[]): Promise<void> => writeFile(policyFile, JSON.stringify({ rules }));
    await write();
    const context = capabilityContext(new MemoryBroker().connect().bus);
    const handler = new MetricsHandler({ ...context, policyFile });
    await handler.start();
    const fakes = Array.from({ length: sessions }, (_, num) => fakeSession(num, { capabilities: ['metrics'] }));
    for (const { session } of fakes) {
      context.hub.add(session);
      handler.ready(session);
    }
    const end = async (): Promise<void> => {
      handler.stop();
      await rm(folder, { recursive: true });
    };
    const intervals = (): unknown[] =>
      fakes.map(({ frames }) => {
        const decoded = decodeBody('metrics', frames.at(-1)?.body ?? new Uint8Array());
        return decoded.ok ? decoded.body.everyMs : decoded.fault;
      });
    return { ...context, handler, fakes, write, end, intervals };
  }

  it('of the file reaches live sessions over several turns, and those that it does not concern are told nothing', async () => {
    const { fakes, write, intervals, clock, end } = await setUp(1_200);
    await write({ selector: 'host!=host-1199', interval: 'off' });
    const isTold = (): number => intervals().filter((everyMs) => everyMs === 0).length;
    while (isTold() === 0) {
      clock.advance(5_000);
      await turn();
    }
    expect(isTold()).toBe(500);
    for (let i = 0; i < 2; i += 1) {
      clock.advance(20);
      await turn();
    }
    expect(isTold()).toBe(1_199);
    expect(fakes.map(({ frames }) => frames.length).filter((length) => length !== 2)).toEqual([1]);
    await end();
  });

  it('of its labels reaches a session', async () => {
    const { handler, hub, fakes, write, clock, intervals, end } = await setUp(2);
    await write({ selector: 'env=prod', interval: '10s' });
    const [one] = fakes;
    if (one === undefined) throw new Error('no session');
    hub.relabel(one.session, makeProfile(one.session.profile as never, {}, { env: 'prod' }));
    while (intervals()[0] !== 10_000) {
      clock.advance(5_000);
      await turn();
    }
    hub.relabel(one.session, makeProfile(one.session.profile as never, {}, { env: 'test' }));
    handler.relabelled(one.session);
    clock.advance(20);
    await turn();
    expect(intervals()).toEqual([60_000, 60_000]);
    expect(fakes.map(({ frames }) => frames.length)).toEqual([3, 1]);
    await end();
  });
});
