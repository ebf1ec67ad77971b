import { describe, expect, it } from '@jest/globals';
import { Channel } from './channel.js';
import { EPOCH_MS, World } from './world.js';

function connected() {
  const world = new World(1);
  world.tellsMessages = true;
  const [client, server] = [world.process('e1'), world.process('gateway-1')];
  const side = (process: typeof client) => ({ process, onEnd: () => undefined });
  return { world, server, channel: new Channel(world, { client: side(client), server: side(server) }) };
}

const told = ({ timeline }: World): string[] => timeline.map(({ who, what }) => `${who} ${what}`);

describe('the timeline of a connection', () => {
  it('tells who said what to whom', async () => {
    const { world, channel } = connected();
    channel.toServer(
      () => undefined,
      () => 'hello',
    );
    await world.run(EPOCH_MS + 1_000);
    expect(told(world)).toEqual(['e1 → gateway-1: hello']);
  });

  it('tells what was lost: on its way to one that is killed, and after the end', async () => {
    const { world, server, channel } = connected();
    channel.toServer(
      () => undefined,
      () => 'hello',
    );
    server.kill();
    channel.toServer(
      () => undefined,
      () => 'rows',
    );
    await world.run(EPOCH_MS + 1_000);
    expect(told(world)).toEqual([
      'gateway-1 killed',
      'e1 → gateway-1: lost on its way: hello',
      'e1 → gateway-1: lost, the connection is over: rows',
    ]);
  });
});
