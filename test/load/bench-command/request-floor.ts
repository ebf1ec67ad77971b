import { randomUUID } from 'node:crypto';
import { connectNats } from '@muster/bus';
import { silentLogger } from '@muster/runtime';

/** Round trips of bare requests over the broker, in milliseconds. Both sides have their own connections. */
export async function timeRequests(natsUrl: string, count: number): Promise<number[]> {
  const [asker, answerer] = await Promise.all([
    connectNats({ servers: [natsUrl], name: 'bench asker', logger: silentLogger }),
    connectNats({ servers: [natsUrl], name: 'bench answerer', logger: silentLogger }),
  ]);
  try {
    const subject = `bench.${randomUUID()}`;
    answerer.bus.subscribe(subject, ({ data, reply }) => void reply?.(data));
    await answerer.bus.flush();
    const body = new Uint8Array(200);
    const times: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const begin = performance.now();
      const { kind } = await asker.bus.request(subject, body, { timeoutMs: 2_000 });
      if (kind !== 'reply') throw new Error(`a bare request got no reply: ${kind}`);
      times.push(performance.now() - begin);
    }
    return times.slice(Math.floor(count / 10));
  } finally {
    await Promise.all([asker.stop(), answerer.stop()]);
  }
}
