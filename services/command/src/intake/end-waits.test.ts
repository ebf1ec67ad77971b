import { describe, expect, test } from '@jest/globals';
import type { CommandReply } from '@muster/messages';
import { FakeClock } from '@muster/runtime/testing';
import type { JournalStep } from '../journal/journal-view.js';
import { EndWaits, type EndWaitsOptions } from './end-waits.js';

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
  const view = {
    onStep: (heard: typeof listener) => {
      listener = heard;
      return () => undefined;
    },
    summary: (_: string, id: string) => made(id).command,
  } as unknown as EndWaitsOptions['view'];
  const waits = new EndWaits({ view, clock });
  waits.start();
  const end = (id: string): void => {
    status[id] = 'ended';
    listener({ command: { id }, step: { ended: true } } as unknown as JournalStep);
  };
  return { clock, waits, made, end, status };
}

describe('waiting for the end of a command', () => {
  test('ends with it, for everybody who waits for this one and nobody else', async () => {
    const { waits, made, end, clock } = setUp();
    const both = [waits.ended(made('c1'), 5_000), waits.ended(made('c1'), 5_000)];
    const other = waits.ended(made('c2'), 1_000);
    end('c1');
    expect((await Promise.all(both)).map(({ command }) => command.status)).toEqual(['ended', 'ended']);
    clock.advance(1_000);
    expect((await other).command.status).toBe('running');
  });

  test('an end that came before the wait is not missed', async () => {
    const { waits, made, status } = setUp();
    const reply = made('c1');
    status['c1'] = 'ended';
    expect((await waits.ended(reply, 5_000)).command.status).toBe('ended');
  });

  test('a service that stops keeps nobody waiting', async () => {
    const { waits, made } = setUp();
    const waiting = waits.ended(made('c1'), 5_000);
    waits.stop();
    expect((await waiting).command.status).toBe('running');
    expect((await waits.ended(made('c2'), 5_000)).command.status).toBe('running');
  });
});
