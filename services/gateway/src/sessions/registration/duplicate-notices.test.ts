import { expect, test } from '@jest/globals';
import type { AgentId, OrgId } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { DuplicateNotices } from './duplicate-notices.js';

const ORG = 'acme' as OrgId;
const agent = (i: number): AgentId => `a${i}` as AgentId;

test('a clone that tries three times a second is told of once a minute', () => {
  const clock = new FakeClock();
  const notices = new DuplicateNotices({ clock });
  let told = 0;
  for (let i = 0; i < 3 * 300; i += 1) {
    if (notices.isDue(ORG, agent(1))) told += 1;
    clock.advance(1_000 / 3);
  }
  expect(told).toBe(5);
});

test('agents are told of each for themselves, and so are orgs', () => {
  const notices = new DuplicateNotices({ clock: new FakeClock() });
  expect([notices.isDue(ORG, agent(1)), notices.isDue(ORG, agent(2))]).toEqual([true, true]);
  expect(notices.isDue('globex' as OrgId, agent(1))).toBe(true);
  expect(notices.isDue(ORG, agent(1))).toBe(false);
});

test('what is remembered is bounded: of more agents the oldest are forgotten', () => {
  const notices = new DuplicateNotices({ clock: new FakeClock(), maxAgents: 3 });
  for (let i = 1; i <= 4; i += 1) expect(notices.isDue(ORG, agent(i))).toBe(true);
  expect([2, 3, 4].map((i) => notices.isDue(ORG, agent(i)))).toEqual([false, false, false]);
  expect(notices.isDue(ORG, agent(1))).toBe(true);
});
