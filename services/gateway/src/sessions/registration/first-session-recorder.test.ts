import { expect, it } from '@jest/globals';
import type { AgentId, OrgId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { turn } from '../../testing/capability-harness.js';
import { FirstSessionRecorder, type FirstSessionRecorderOptions } from './first-session-recorder.js';

type Kept = Awaited<ReturnType<FirstSessionRecorderOptions['directory']['recordFirstSession']>>;

function setUp() {
  const clock = new FakeClock();
  const live = new Set<number>();
  const recorded: unknown[] = [];
  const state: { kept: () => Promise<Kept> } = { kept: () => Promise.resolve({ kind: 'ok' }) };
  const recorder = new FirstSessionRecorder({
    ...{ clock, logger: silentLogger },
    identities: { wasLive: (num) => live.has(num), noteLive: (num) => void live.add(num) },
    directory: {
      recordFirstSession: (...record) => {
        recorded.push(record);
        return state.kept();
      },
    },
  });
  const note = async (): Promise<void> => {
    recorder.note({ org: 'acme' as OrgId, agentId: 'a1' as AgentId, num: 5 });
    await turn();
  };
  return { clock, recorded, state, note };
}

it('the first session of an identity is recorded, and no other', async () => {
  const { clock, recorded, note } = setUp();
  await note();
  await note();
  expect(recorded).toEqual([['acme', 'a1', { atMs: clock.now(), num: 5 }]]);
});

it.each([
  ['is not kept', () => Promise.resolve({ kind: 'unavailable', cause: new Error('away') } as const)],
  ['fails', () => Promise.reject(new Error('broken'))],
])('one that %s is recorded with the next session', async (_what, kept) => {
  const { recorded, state, note } = setUp();
  state.kept = kept;
  await note();
  state.kept = () => Promise.resolve({ kind: 'ok' });
  await note();
  await note();
  expect(recorded).toHaveLength(2);
});
