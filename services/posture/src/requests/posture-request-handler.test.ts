import { expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { decodeServiceMessage, encodeBusMessage, SUBJECTS, type PostureReply } from '@muster/messages';
import { newPostureServiceId, type OrgId } from '@muster/protocol';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { PostureRequestHandler, requestMetrics } from './posture-request-handler.js';

test('a reply over what the broker takes is a problem for who asked, and the service answers the next one', async () => {
  const broker = new MemoryBroker();
  const { bus } = broker.connect();
  let size = 2 * 1024 * 1024;
  const handler = new PostureRequestHandler({
    ...{ bus, instance: newPostureServiceId(), clock: new FakeClock(0), logger: silentLogger },
    metrics: requestMetrics(createMetrics('posture')),
    requests: { handle: () => Promise.resolve({ t: 'packs', packs: [{ title: 'x'.repeat(size) }] } as never) },
  });
  handler.start();
  const ask = async (): Promise<PostureReply | string> => {
    const request = encodeBusMessage({ t: 'list_packs', org: 'acme' as OrgId });
    const result = await broker.connect().bus.request(SUBJECTS.posture, request, { timeoutMs: 2_000 });
    return result.kind === 'reply' ? decodeServiceMessage<PostureReply>(result.data) : result.kind;
  };
  expect(await ask()).toMatchObject({ t: 'problem', code: 'too_large' });
  size = 10;
  expect(await ask()).toMatchObject({ t: 'packs' });
  handler.stop();
});
