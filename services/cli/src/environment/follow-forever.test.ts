import { expect, test } from '@jest/globals';
import { ApiProblem, ConnectionError } from '@muster/api-client';
import { followForever } from './follow-forever.js';

const cut = new ConnectionError('cut', 'gone');

/** Connections that have these events each, and then fail. */
async function follow(connections: readonly (readonly [readonly number[], Error])[]) {
  const stop = new AbortController();
  const seen: number[] = [];
  let opened = 0;
  let lost = 0;
  async function* open(): AsyncGenerator<number> {
    const [events, error] = connections[opened++] ?? [[], cut];
    yield* events;
    throw error;
  }
  const onLost = (): void => {
    lost += 1;
    if (lost === connections.length) stop.abort();
  };
  try {
    for await (const event of followForever(open, { signal: stop.signal, onLost })) seen.push(event);
    return { seen, opened, lost };
  } catch (error) {
    return { seen, opened, lost, error };
  }
}

test('a stream that its client gives up is opened again and again, until the signal', async () => {
  const connections = [[[1], cut] as const, [[], cut] as const, [[2, 3], cut] as const];
  expect(await follow(connections)).toEqual({ seen: [1, 2, 3], opened: 3, lost: 3 });
});

test('one that never began, or that the server refuses, is not', async () => {
  expect(await follow([[[], cut]])).toEqual({ seen: [], opened: 1, lost: 0, error: cut });
  const refused = new ApiProblem(401, {});
  expect(
    await follow([
      [[1], cut],
      [[2], refused],
      [[3], cut],
    ]),
  ).toEqual({
    ...{ seen: [1, 2], opened: 2, lost: 1, error: refused },
  });
});
