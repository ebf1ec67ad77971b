import { describe, expect, test } from '@jest/globals';
import type { CommandId, ReportBody } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import type { SendResult } from '../../contract/session.js';
import type { CommandKey, Outcome } from './history-entry.js';
import { reportOf, ReportSender } from './report-sender.js';

const DONE: Outcome = { state: 'succeeded', code: 'ok', message: 'done' };
const key = (id: string): CommandKey => ({ id: id as CommandId, number: 1 });

function fixture(): {
  clock: FakeClock;
  sender: ReportSender;
  kept: string[];
  session: () => { reported: string[]; answer: SendResult; send: (report: ReportBody) => SendResult };
} {
  const clock = new FakeClock();
  const kept: string[] = [];
  const sender = new ReportSender({ clock, random: () => 0.5, onKept: ({ id }) => kept.push(id) });
  const session = (): { reported: string[]; answer: SendResult; send: (report: ReportBody) => SendResult } => {
    const made = {
      reported: [] as string[],
      answer: 'sent' as SendResult,
      send: ({ id }: ReportBody): SendResult => {
        if (made.answer === 'sent') made.reported.push(id);
        return made.answer;
      },
    };
    return made;
  };
  return { clock, sender, kept, session };
}

describe('reports', () => {
  test('are repeated after 1, 2, 4 … 30 seconds, and from the beginning in a new session', () => {
    const { clock, sender, session } = fixture();
    const first = session();
    sender.attach(first.send);
    sender.settle(key('a'), DONE);
    const times: number[] = [];
    for (let s = 1; s <= 125; s += 1) {
      const before = first.reported.length;
      clock.advance(1_000);
      if (first.reported.length > before) times.push(s);
    }
    expect(times).toEqual([1, 3, 7, 15, 31, 61, 91, 121]);
    const second = session();
    sender.attach(second.send);
    expect(second.reported).toEqual(['a']);
    clock.advance(1_000);
    expect(second.reported).toEqual(['a', 'a']);
    clock.advance(2_000);
    expect(second.reported).toHaveLength(3);
    sender.detach();
    expect(clock.pendingTimers).toBe(0);
  });

  test('that a session has no room for are sent when it has, each once', () => {
    const { clock, sender, session } = fixture();
    const one = session();
    one.answer = 'full';
    sender.attach(one.send);
    for (const id of ['a', 'b', 'c']) sender.settle(key(id), DONE);
    clock.advance(60_000);
    expect(one.reported).toEqual([]);
    one.answer = 'sent';
    sender.resume();
    sender.resume();
    expect(one.reported).toEqual(['a', 'b', 'c']);
  });

  test('of which there are many come 200 a second', () => {
    const { clock, sender, session } = fixture();
    for (let i = 0; i < 450; i += 1) sender.settle(key(`c${i}`), DONE);
    const one = session();
    sender.attach(one.send);
    expect(one.reported).toHaveLength(200);
    for (let i = 0; i < 200; i += 1) sender.kept(key(`c${i}`));
    clock.advance(1_000);
    expect(one.reported).toHaveLength(400);
    for (let i = 200; i < 400; i += 1) sender.kept(key(`c${i}`));
    clock.advance(1_000);
    expect(new Set(one.reported).size).toBe(450);
  });

  test('are confirmed once; what was never reported cannot be', () => {
    const { sender, kept, session } = fixture();
    sender.attach(session().send);
    sender.settle(key('a'), DONE);
    for (const id of ['b', 'a', 'a']) sender.kept(key(id));
    expect(kept).toEqual(['a']);
    expect(sender.pending).toBe(0);
  });

  test('fit their frame whatever an action says', () => {
    const outcome = {
      ...DONE,
      code: 'c'.repeat(100),
      message: 'm'.repeat(2_000),
      effects: Array.from({ length: 60 }, () => 'e'.repeat(300)),
    };
    const { code, message, effects } = reportOf(key('a'), outcome, true);
    expect([code.length, message.length, effects?.length, effects?.[0]?.length]).toEqual([64, 511, 50, 256]);
  });
});
