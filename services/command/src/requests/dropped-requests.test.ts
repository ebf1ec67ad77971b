import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type CommandReply,
  type RequestTerms,
} from '@muster/messages';
import type { CommandServiceId } from '@muster/protocol';
import { createMetrics, NO_TRACER, silentLogger } from '@muster/runtime';
import { CommandHarness, makeTestKeys, ORG, submitRequest, type TestKeys } from '../testing/command-harness.js';
import { CommandRequestHandler, requestMetrics } from './command-request-handler.js';

let keys: TestKeys;
let harness: CommandHarness;
beforeAll(async () => {
  keys = await makeTestKeys();
});
beforeEach(async () => {
  harness = await new CommandHarness({ keys }).open();
  await harness.agents(2);
});
afterEach(() => harness.close());

/** The reply of one service that is asked directly, or why there is none. */
async function askOne(index: number, terms: RequestTerms & { readonly requestKey?: string } = {}, timeoutMs = 10_000) {
  const instance = harness.services[index]?.instance;
  if (instance === undefined) throw new Error('no such service');
  const request = encodeBusMessage({ ...submitRequest(), ...terms });
  const asking = harness.connection.bus.request(SUBJECTS.commandService(instance as CommandServiceId), request, {
    timeoutMs,
  });
  await harness.settle();
  const result = await asking;
  return result.kind === 'reply' ? decodeServiceMessage<CommandReply>(result.data) : result.kind;
}

const kept = async () => {
  const reply = await harness.ask({ t: 'list', org: ORG, limit: 10 });
  return reply.t === 'list' ? reply.commands.length : -1;
};

describe('a request to one command service', () => {
  test('that reaches two makes one command, of which both tell', async () => {
    await harness.service();
    await harness.service();
    const replies = await Promise.all([askOne(0, { requestKey: 'k' }), askOne(1, { requestKey: 'k' })]);
    const ids = replies.map((reply) =>
      typeof reply === 'object' && reply.t === 'command' ? reply.command.record.id : reply,
    );
    expect(ids[0]).toMatch(/^c/);
    expect(ids[1]).toBe(ids[0]);
    expect(await kept()).toBe(1);
  });

  test('is dropped when its deadline has passed, and leaves no audit record', async () => {
    await harness.service();
    expect(await askOne(0, { expiresAtMs: harness.clock.now() - 1 }, 300)).toBe('timeout');
    expect([await kept(), await harness.audit()]).toEqual([0, []]);
    expect(await askOne(0, { expiresAtMs: harness.clock.now() + 1 })).toMatchObject({ t: 'command' });
  });

  test('is told that the service stops, until it has', async () => {
    const { bus } = harness.connection;
    const instance = 'cs-stopping' as CommandServiceId;
    const unused = {} as never;
    const requests = new CommandRequestHandler({
      ...{
        bus,
        instance,
        clock: harness.clock,
        heartbeatClock: harness.clock,
        logger: silentLogger,
        tracer: NO_TRACER,
        metrics: requestMetrics(createMetrics('command')),
      },
      ...{ audit: unused, projection: unused, submissions: unused, management: unused, keys: unused, policy: unused },
      waiters: { start: () => undefined, stop: () => undefined, ended: unused },
    });
    requests.start();
    await requests.drain();
    const ask = (subject: string) => bus.request(subject, encodeBusMessage(submitRequest()), { timeoutMs: 5_000 });
    const told = await ask(SUBJECTS.commandService(instance));
    expect(told.kind === 'reply' && decodeServiceMessage(told.data)).toMatchObject({ t: 'problem', code: 'draining' });
    expect(await ask(SUBJECTS.commands)).toEqual({ kind: 'no_responders' });
    requests.stop();
    expect(await ask(SUBJECTS.commandService(instance))).toEqual({ kind: 'no_responders' });
  });
});
