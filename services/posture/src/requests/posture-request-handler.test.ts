import { expect, test } from '@jest/globals';
import { StreamError } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type PostureReply,
  type PostureRequest,
} from '@muster/messages';
import { newPostureServiceId, type OrgId } from '@muster/protocol';
import { createMetrics, silentLogger } from '@muster/runtime';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { KnownViews, type ViewName } from './known-views.js';
import { PostureRequestHandler, requestMetrics } from './posture-request-handler.js';

test('a reply over what the broker takes is a problem for who asked, and the service answers the next one', async () => {
  const broker = new MemoryBroker();
  const { bus } = broker.connect();
  let size = 2 * 1024 * 1024;
  const handler = new PostureRequestHandler({
    ...{ bus, instance: newPostureServiceId(), clock: new FakeClock(0), logger: silentLogger },
    metrics: requestMetrics(createMetrics('posture')),
    views: { currentFor: () => Promise.resolve() },
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

test('a request is answered once everything that it needs has been read, and refused while that cannot be read', async () => {
  const broker = new MemoryBroker();
  const { bus } = broker.connect();
  const asked: ViewName[] = [];
  let read: () => Promise<void> = () => Promise.resolve();
  const view = (name: ViewName) => ({
    current: (): Promise<void> => {
      asked.push(name);
      return read();
    },
  });
  let answered = 0;
  const handler = new PostureRequestHandler({
    ...{ bus, instance: newPostureServiceId(), clock: new FakeClock(0), logger: silentLogger },
    metrics: requestMetrics(createMetrics('posture')),
    views: new KnownViews({
      ...{ packs: view('packs'), scans: view('scans'), schedules: view('schedules') },
      ...{ exceptions: view('exceptions'), feeds: view('feeds'), vulnerabilities: view('vulnerabilities') },
    }),
    requests: {
      handle: () => {
        answered += 1;
        return Promise.resolve({ t: 'packs', packs: [] } as never);
      },
    },
  });
  handler.start();
  const ask = async (t: PostureRequest['t']): Promise<PostureReply | string> => {
    const request = encodeBusMessage({ t, org: 'acme' as OrgId } as PostureRequest);
    const result = await broker.connect().bus.request(SUBJECTS.posture, request, { timeoutMs: 2_000 });
    return result.kind === 'reply' ? decodeServiceMessage<PostureReply>(result.data) : result.kind;
  };
  const releases: (() => void)[] = [];
  read = () => new Promise((resolve) => releases.push(resolve));
  const waiting = ask('create_exception');
  await eventually(() => releases.length === 2);
  expect([asked.splice(0).toSorted(), answered]).toEqual([['exceptions', 'packs'], 0]);
  for (const release of releases) release();
  expect([await waiting, answered]).toMatchObject([{ t: 'packs' }, 1]);
  read = () => Promise.resolve();
  expect(await ask('list_feeds')).toMatchObject({ t: 'packs' });
  expect(asked).toEqual(['feeds']);
  read = () => Promise.reject(new StreamError('unavailable', 'away'));
  expect(await ask('list_schedules')).toMatchObject({ t: 'problem', code: 'broker_unavailable' });
  handler.stop();
});
