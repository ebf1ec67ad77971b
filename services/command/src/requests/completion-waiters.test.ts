import { describe, expect, test } from '@jest/globals';
import type { CommandReply } from '@muster/messages';
import { FakeClock } from '@muster/runtime/testing';
import type { JournalStep } from '../journal/journal-projection.js';
import { CompletionWaiters, type CompletionWaitersOptions } from './completion-waiters.js';

type Made = Extract<CommandReply, { readonly t: 'command' }>;

function setUp() {
  const clock = new FakeClock();
  const status = { c1: 'running', c2: 'running' } as Record<string, string>;
  let listener: (step: JournalStep) => void = () => undefined;
  const made = (id: string): Made =>
    ({
      t: 'command',
      command: { record: { id, org: 'acme' }, status: status[id] },
      repeated: false,
    }) as unknown as Made;
  const projection = {
    onStep: (heard: typeof listener) => {
      listener = heard;
      return () => undefined;
    },
    summary: (_: string, id: string) => made(id).command,
  } as unknown as CompletionWaitersOptions['projection'];
  const waiters = new CompletionWaiters({ projection, clock });
  waiters.start();
  const end = (id: string): void => {
    status[id] = 'ended';
    listener({ command: { id }, step: { ended: true } } as unknown as JournalStep);
  };
  return { clock, waiters, made, end, status };
}

describe('waiting for the end of a command', () => {
  test('resolves for all callers that wait for this command, and for no others', async () => {
    const { waiters, made, end, clock } = setUp();
    const both = [waiters.ended(made('c1'), 5_000), waiters.ended(made('c1'), 5_000)];
    const other = waiters.ended(made('c2'), 1_000);
    end('c1');
    expect((await Promise.all(both)).map(({ command }) => command.status)).toEqual(['ended', 'ended']);
    clock.advance(1_000);
    expect((await other).command.status).toBe('running');
  });

  test('an end before the wait is not missed', async () => {
    const { waiters, made, status } = setUp();
    const reply = made('c1');
    status['c1'] = 'ended';
    expect((await waiters.ended(reply, 5_000)).command.status).toBe('ended');
  });

  test('resolves when the service stops', async () => {
    const { waiters, made } = setUp();
    const waiting = waiters.ended(made('c1'), 5_000);
    waiters.stop();
    expect((await waiting).command.status).toBe('running');
    expect((await waiters.ended(made('c2'), 5_000)).command.status).toBe('running');
  });
});
