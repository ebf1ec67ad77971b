import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { followQuery } from '@muster/api-client';
import type { ServerProgram } from '@muster/local';
import { encodeCbor, type SessionMode } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { DocumentAgent, type DocumentSession } from '../kit/document-agent.js';
import { startHarness, type Harness } from '../kit/harness.js';

const MOVES = 18;
const DRAINS = 2;
const IN_FLIGHT = 4;
const ROW = encodeCbor(['x']);

const TRANSPORTS = ['uws', 'ws'] as const;
let harness: Harness;
/** Two of each transport. */
const gateways = new Map<string, ServerProgram[]>();
beforeAll(async () => {
  harness = await startHarness({ gateways: 0, restart: true });
  const start = (transport: string): Promise<ServerProgram> =>
    harness.stack.addGateway({
      MUSTER_GATEWAY_TRANSPORT: transport,
      MUSTER_STOP_TIMEOUT: '15s',
      MUSTER_GATEWAY_DRAIN_SPREAD: '0',
      MUSTER_GATEWAY_DRAIN_GRACE: '5s',
    });
  for (const transport of TRANSPORTS) gateways.set(transport, await Promise.all([start(transport), start(transport)]));
});
afterAll(() => harness.close());

/**
 * An agent that leaves its old session at the moment at which the next one is ready, with questions in flight, as
 * docs/protocol.md §12 says.
 */
describe.each([
  ['live', 'uws'],
  ['live', 'ws'],
  ['poll', 'uws'],
  ['poll', 'ws'],
  ['live and poll in turn', 'uws'],
] as const)('an agent by the book that moves, %s over %s', (channels, transport) => {
  let agent: DocumentAgent;
  let session: DocumentSession;
  let at = 0;
  let moves = 0;

  beforeAll(async () => {
    agent = new DocumentAgent();
    await agent.enrol(host(0), harness.stack.org, harness.stack.enrollSecret);
    session = await agent.open(host(0), channel(), host(1));
  });
  afterAll(() => session.leave());

  function channel(): SessionMode {
    if (channels === 'live' || channels === 'poll') return channels;
    return moves % 2 === 0 ? 'live' : 'poll';
  }
  function gateway(i: number) {
    const found = gateways.get(transport)?.[i];
    if (found === undefined) throw new Error(`there is no gateway ${i} over ${transport}`);
    return found;
  }
  const host = (i: number): string => gateway(i).url.replace('ws://', '');

  /** Asks its questions, moves while none of them is answered, and answers there. `begin` runs before the move. */
  async function moveWithQuestions(
    mode: 'raw' | 'group',
    { to, begin = async () => undefined }: { readonly to: number; readonly begin?: () => Promise<void> },
  ): Promise<void> {
    const body = { sql: 'SELECT hostname FROM system_info', selector: `id=${agent.agentId}`, timeout: '20s', mode };
    const before = session.refs.length;
    const asked = await Promise.all(
      Array.from({ length: IN_FLIGHT }, () => harness.api.call('POST /v1/queries', { body })),
    );
    await eventually(() => session.refs.length === before + IN_FLIGHT, 'all questions at the agent');
    await begin();
    const old = session;
    at = to;
    moves += 1;
    session = await agent.open(host(at), channel(), host(1 - at));
    old.leave();
    for (const ref of session.refs) session.answer(ref, ROW);
    session.onQuery = (ref) => session.answer(ref, ROW);
    const ended = await Promise.all(asked.map(({ id }) => followQuery(harness.api, id, () => undefined)));
    expect(ended.map(({ ledger }) => [ledger.answered, ledger.disconnected])).toEqual(asked.map(() => [1, 0]));
    session.onQuery = () => undefined;
  }

  it.each(['raw', 'group'] as const)(
    'answers every question, in %s form',
    async (mode) => {
      // Every third time the next session is on the same gateway.
      for (let i = 0; i < MOVES / 2; i += 1) await moveWithQuestions(mode, { to: i % 3 === 0 ? at : 1 - at });
    },
    120_000,
  );

  it('answers every question over drains', async () => {
    for (let i = 0; i < DRAINS; i += 1) {
      const draining = gateway(at);
      const old = session;
      const begin = async (): Promise<void> => {
        draining.signal('SIGTERM');
        await eventually(() => old.wasAskedToMove, 'RECONNECT', 10_000);
      };
      await moveWithQuestions(i % 2 === 0 ? 'group' : 'raw', { to: 1 - at, begin });
      await eventually(
        async () =>
          (await fetch(`http://${draining.url.replace('ws://', '')}/readyz`).catch(() => null))?.status === 200,
        'the drained gateway is back',
        30_000,
      );
    }
  });
});
