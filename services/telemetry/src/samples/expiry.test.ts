import { expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { EndpointTable } from './endpoint-table.js';
import { Expiry } from './expiry.js';

const MINUTE = 60_000;

function start() {
  const clock = new FakeClock();
  const table = new EndpointTable();
  const expired: number[] = [];
  const asked: number[] = [];
  let hasRoom = true;
  let heardSinceMs = clock.monotonic();
  const expiry = new Expiry({
    ...{ clock, table, expiryMs: 3 * MINUTE },
    ask: (slot) => {
      if (hasRoom) asked.push(slot);
      return hasRoom;
    },
    heardForMs: () => clock.monotonic() - heardSinceMs,
    expire: (slot) => {
      expired.push(slot);
      table.remove(slot);
    },
  });
  expiry.start();
  const add = (everyMs: number): number => {
    const slot = table.add(table.size + 1, 0);
    table.heardMs[slot] = clock.monotonic();
    table.everyMs[slot] = everyMs;
    return slot;
  };
  const room = (is: boolean): void => void (hasRoom = is);
  const hearsAgain = (): void => void (heardSinceMs = clock.monotonic());
  return { clock, table, expiry, expired, asked, add, room, hearsAgain };
}

test('an endpoint is forgotten after the expiry, one that polls seldom after three of its intervals', async () => {
  const { clock, expiry, expired, add } = start();
  const [often, seldom] = [add(MINUTE), add(10 * MINUTE)];
  await clock.advanceAsync(3.5 * MINUTE);
  expect(expired).toEqual([often]);
  await clock.advanceAsync(26 * MINUTE);
  expect(expired).toEqual([often]);
  await clock.advanceAsync(MINUTE);
  expect(expired).toEqual([often, seldom]);
  expiry.stop();
});

test('its gateway is asked first: it may have been ordered to poll seldom after its last sample', async () => {
  const { clock, table, expiry, expired, asked, add, room } = start();
  const [ordered, silent] = [add(MINUTE), add(MINUTE)];
  room(false);
  await clock.advanceAsync(3.5 * MINUTE);
  // Nobody could be asked yet.
  expect([asked, expired]).toEqual([[], []]);
  room(true);
  await clock.advanceAsync(5_000);
  expect(asked).toEqual([ordered, silent]);
  table.everyMs[ordered] = 10 * MINUTE;
  await clock.advanceAsync(MINUTE);
  expect([asked, expired]).toEqual([[ordered, silent], [silent]]);
  expiry.stop();
});

test('time in which nothing could be heard is no silence of an endpoint', async () => {
  const { clock, expiry, expired, add, hearsAgain } = start();
  const slot = add(MINUTE);
  await clock.advanceAsync(2 * MINUTE);
  hearsAgain();
  await clock.advanceAsync(2.5 * MINUTE);
  expect(expired).toEqual([]);
  await clock.advanceAsync(MINUTE);
  expect(expired).toEqual([slot]);
  expiry.stop();
});
