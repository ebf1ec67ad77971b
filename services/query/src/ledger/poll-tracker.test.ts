import { expect, test } from '@jest/globals';
import { PollTracker } from './poll-tracker.js';

test('nobody waits before the first, and after the last', () => {
  const polls = new PollTracker();
  expect(polls.summary()).toBeUndefined();
  polls.count(3, 1);
  polls.count(3, 1);
  polls.count(3, -1);
  expect(polls.summary()).toEqual({ waiting: 1, answerByMs: 0 });
  polls.count(3, -1);
  expect(polls.summary()).toBeUndefined();
});

test('the last is due when the latest of all gateways is, whatever came last', () => {
  const polls = new PollTracker();
  polls.count(0, 1);
  polls.count(2, 1);
  polls.due(0, 500);
  polls.due(0, 400);
  polls.due(2, 300);
  expect([polls.dueAt(0), polls.dueAt(1), polls.dueAt(2)]).toEqual([500, 0, 300]);
  expect(polls.summary()).toEqual({ waiting: 2, answerByMs: 500 });
  polls.count(0, -1);
  expect(polls.summary()).toEqual({ waiting: 1, answerByMs: 300 });
});

test('when those of a gateway have left, their time does not apply to later ones', () => {
  const polls = new PollTracker();
  polls.count(0, 1);
  polls.due(0, 500);
  polls.count(0, -1);
  polls.count(0, 1);
  expect(polls.summary()).toEqual({ waiting: 1, answerByMs: 0 });
});

test('the time of a gateway where nobody waits does not count', () => {
  const polls = new PollTracker();
  polls.count(1, 1);
  polls.due(1, 100);
  polls.due(0, 500);
  expect(polls.summary()).toEqual({ waiting: 1, answerByMs: 100 });
  polls.count(0, 1);
  polls.count(0, -1);
  polls.due(0, 500);
  expect(polls.summary()).toEqual({ waiting: 1, answerByMs: 100 });
});
