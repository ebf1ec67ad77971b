import { expect, test } from '@jest/globals';
import { afterEvent, type CommandFeed } from './command-feed.js';

const NOTHING: CommandFeed = { command: undefined, targets: [], problem: undefined, isStalled: false };
const target = (number: number, state: string) => ({ number, agentId: 'a', host: 'h', state, code: '', message: '' });

test('targets are kept by their number: an event that comes twice changes nothing', () => {
  const first = afterEvent(NOTHING, { event: 'targets', seq: 1, targets: [target(2, 'sent'), target(1, 'sent')] });
  const then = afterEvent(first, { event: 'targets', seq: 2, targets: [target(2, 'succeeded')] });
  const again = afterEvent(then, { event: 'targets', seq: 2, targets: [target(2, 'succeeded')] });
  expect(again.targets.map(({ number, state }) => `${number} ${state}`)).toEqual(['1 sent', '2 succeeded']);
});

test('a stalled stream is told until its next event, and a refusal with its reason', () => {
  const stalled = afterEvent(NOTHING, { event: 'stalled', seq: null });
  expect(stalled.isStalled).toBe(true);
  expect(afterEvent(stalled, { event: 'targets', seq: 3, targets: [] }).isStalled).toBe(false);
  expect(afterEvent(NOTHING, { event: 'refused', seq: null, problem: { code: 'not_found' } }).problem).toEqual({
    code: 'not_found',
  });
});

test('what was refused for now goes on with the next event', () => {
  const refused = afterEvent(NOTHING, { event: 'refused', seq: null, isPassing: true, problem: { code: 'conflict' } });
  expect(afterEvent(refused, { event: 'targets', seq: 3, targets: [] }).problem).toBeUndefined();
});
