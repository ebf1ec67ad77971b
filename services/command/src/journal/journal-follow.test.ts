import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StreamError, type ReadOptions, type StreamStore } from '@muster/bus';
import { newCommandId, type CommandId, type OrgId } from '@muster/protocol';
import { encodeNumberSet, STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { JournalHarness, ORG, succeeded } from '../testing/journal-harness.js';
import type { JournalProjection, JournalStep } from './journal-projection.js';
import { OpenCommand } from './open-command.js';

const OTHER = 'other' as OrgId;

describe('the journal', () => {
  let harness: JournalHarness;
  let projection: JournalProjection;
  beforeEach(async () => {
    harness = await JournalHarness.open();
    ({ projection } = harness);
  });
  afterEach(() => harness.stop());

  test('listeners hear of each entry that is folded after the projection has caught up, until they leave', async () => {
    const [before, id] = [newCommandId(1), newCommandId(2)];
    await harness.write(before, harness.submitted(before));
    const steps: JournalStep[] = [];
    const leave = projection.onStep((step) => steps.push(step));
    await projection.start();
    expect([steps, projection.openCount]).toEqual([[], 1]);
    const first = await harness.append(id, harness.submitted(id));
    const second = await harness.append(id, succeeded);
    expect(steps.map(({ entry, seq }) => [entry.t, seq])).toEqual([
      ['submitted', first],
      ['states', second],
    ]);
    expect(steps[0]?.command).toBe(steps[1]?.command);
    expect([steps[0]?.step.ended, steps[1]?.step.ended, steps[1]?.command.lastSeq]).toEqual([false, true, second]);
    leave();
    const third = newCommandId(3);
    await harness.append(third, harness.submitted(third));
    expect(steps).toHaveLength(2);
  });

  test('an open command is loaded as it is, for its own org, and is in the list of the open ones', async () => {
    await projection.start();
    const id = newCommandId(1);
    const seq = await harness.append(id, harness.submitted(id));
    const open = projection.get(id);
    expect([await projection.load(ORG, id), await projection.load(OTHER, id)]).toEqual([open, undefined]);
    expect([[...projection.open()], projection.summary(ORG, id)?.record.id, open?.lastSeq]).toEqual([[open], id, seq]);
    expect([projection.summary(OTHER, id), projection.knows(id), projection.knows(newCommandId(9))]).toEqual([
      ...[undefined, true, false],
    ]);
  });

  test('an ended command is loaded from its own entries, with the newest of their sequences', async () => {
    await projection.start();
    const [id, other] = [newCommandId(1), newCommandId(2)];
    await harness.append(id, harness.submitted(id));
    await harness.append(other, harness.submitted(other));
    const last = await harness.append(id, succeeded);
    await harness.append(other, succeeded);
    const loaded = await projection.load(ORG, id);
    expect([loaded?.id, loaded?.lastSeq, loaded?.fold.status]).toEqual([id, last, 'ended']);
    expect(await projection.load(ORG, newCommandId(9))).toBeUndefined();
    expect(await projection.load(ORG, '*' as CommandId)).toBeUndefined();
  });

  test('what is written again under a command, or without one, makes no command', async () => {
    await projection.start();
    const [id, nobody] = [newCommandId(1), newCommandId(2)];
    await harness.append(id, harness.submitted(id));
    const open = projection.get(id);
    await harness.append(id, harness.submitted(id, { action: 'host.restart' }));
    expect([projection.get(id) === open, open?.record.action]).toEqual([true, 'dns.flush']);
    await harness.append(id, succeeded);
    await harness.append(id, harness.submitted(id));
    expect([projection.get(id), projection.openCount]).toEqual([undefined, 0]);
    await harness.append(nobody, succeeded);
    expect([projection.knows(nobody), projection.openCount]).toEqual([false, 0]);
  });

  test('whoever waits for an entry is told when the projection stops first', async () => {
    await projection.start();
    const waiting = projection.folded(99);
    await projection.stop();
    expect(await waiting).toBe(false);
  });

  describe('of which a reader gets nothing for a while', () => {
    /** A store whose readers get entries once they may. */
    const held = () => {
      const { streams } = harness;
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      const store = {
        last: streams.last.bind(streams),
        newestSeq: streams.newestSeq.bind(streams),
        read: async function* (stream: string, options: ReadOptions = {}) {
          for await (const entry of streams.read(stream, options)) {
            await released;
            yield entry;
          }
        },
      } as unknown as StreamStore;
      return { store, release };
    };

    test('is current when what was written before is folded', async () => {
      const { store, release } = held();
      const following = harness.projectionOf(store);
      await following.start();
      await following.current();
      const id = newCommandId(1);
      await harness.write(id, harness.submitted(id));
      const current = following.current();
      await harness.clock.advanceAsync(4_900);
      expect(following.summary(ORG, id)).toBeUndefined();
      release();
      await current;
      expect(following.summary(ORG, id)?.record.id).toBe(id);
      await following.stop();
    });

    test('is not called current when it cannot be read for five seconds', async () => {
      const { store, release } = held();
      const following = harness.projectionOf(store);
      await following.start();
      const id = newCommandId(1);
      await harness.write(id, harness.submitted(id));
      const failure = following.current().catch((error: unknown) => error);
      await harness.clock.advanceAsync(5_000);
      expect(await failure).toMatchObject({ code: 'unavailable' });
      release();
      await following.stop();
    });

    test('is current when what was written is removed again', async () => {
      const following = harness.projectionOf(harness.streams);
      const id = newCommandId(1);
      await harness.write(id, harness.submitted(id));
      await harness.streams.purge(STREAMS.commands.name, STREAM_SUBJECTS.allCommands);
      await following.start();
      await following.current();
      expect(following.openCount).toBe(0);
      await following.stop();
    });
  });

  describe('that breaks off', () => {
    /** A store whose readers fail with this error as soon as it is set. */
    const breaking = () => {
      const { streams } = harness;
      let broken = new AbortController();
      let failure = new Error('broken');
      let reads = 0;
      const store = {
        last: streams.last.bind(streams),
        read: async function* (stream: string, options: ReadOptions = {}) {
          reads += 1;
          if (broken.signal.aborted) throw failure;
          const signal = AbortSignal.any([broken.signal, options.signal!]);
          yield* streams.read(stream, { ...options, signal });
          if (broken.signal.aborted) throw failure;
        },
      } as unknown as StreamStore;
      const fail = (error: Error): void => {
        failure = error;
        broken.abort();
      };
      const mend = (): void => void (broken = new AbortController());
      return { store, fail, mend, reads: () => reads };
    };

    test('is read again from its start a second later', async () => {
      const { store, fail, mend, reads } = breaking();
      const following = harness.projectionOf(store);
      await following.start();
      const id = newCommandId(1);
      await following.folded(await harness.write(id, harness.submitted(id)));
      const before = following.get(id);
      let restarts = 0;
      const leave = following.onRestart(() => (restarts += 1));
      const waiting = following.folded(99);
      fail(new StreamError('unavailable', 'away'));
      await harness.clock.advanceAsync(999);
      expect(reads()).toBe(1);
      mend();
      await harness.clock.advanceAsync(1);
      await harness.clock.advanceAsync(0);
      expect([await waiting, reads(), restarts, following.get(id)?.id]).toEqual([false, 2, 1, id]);
      expect(following.get(id)).not.toBe(before);
      leave();
      fail(new StreamError('stream_reset', 'made anew'));
      mend();
      await harness.clock.advanceAsync(0);
      await harness.clock.advanceAsync(0);
      expect([restarts, reads() > 2, following.openCount]).toEqual([1, true, 1]);
      await following.stop();
    });

    test('before it was read once, because the broker stalls, is read again', async () => {
      const { store, fail, mend, reads } = breaking();
      fail(new StreamError('stalled', 'not read to its end'));
      const following = harness.projectionOf(store);
      const starting = following.start();
      await harness.clock.advanceAsync(0);
      expect(reads()).toBe(1);
      mend();
      await harness.clock.advanceAsync(1_000);
      await starting;
      expect(reads()).toBe(2);
      await following.stop();
    });

    test('before it was read once keeps the service from starting, with the reason', async () => {
      const { store, fail } = breaking();
      fail(new StreamError('no_stream', 'there is none'));
      const following = harness.projectionOf(store);
      await expect(following.start()).rejects.toThrow('there is none');
      await following.stop();
    });
  });
});

test('a command runs while it is signed, has targets that have not settled, and was not cancelled', () => {
  const id = newCommandId(1);
  const record = { id, org: ORG, submittedAtMs: 1, targets: { sets: [encodeNumberSet([7, 8])] } };
  const command = new OpenCommand(record as never, 5);
  expect([command.record, command.isRunning, command.lastSeq]).toEqual([record, false, 5]);
  command.fold.apply({
    t: 'signed',
    atMs: 2,
    signature: { jws: '', keys: '' },
    released: 2,
    sent: encodeNumberSet([1, 2]),
  });
  expect(command.isRunning).toBe(true);
  command.fold.apply({ t: 'cancel', atMs: 3, by: { id: 'p', name: 'p' }, code: 'cancelled', message: '' });
  expect([command.isRunning, command.fold.status]).toEqual([false, 'running']);
});
