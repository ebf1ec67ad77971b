import { describe, expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import type { ModeOverride } from '@muster/directory';
import { FRAME, type OrgId } from '@muster/protocol';
import type { OverrideListener } from '../../foundation/operator-overrides.js';
import { capabilityContext, turn } from '../../testing/capability-harness.js';
import { fakeSession } from '../../testing/fake-session.js';
import { ModeHandler } from './mode-handler.js';

const ACME = 'acme' as OrgId;

async function setUp() {
  const context = capabilityContext(new MemoryBroker().connect().bus);
  const listeners: OverrideListener[] = [];
  const state: { override: ModeOverride | undefined } = { override: undefined };
  const recorded: string[] = [];
  const handler = new ModeHandler({
    ...context,
    policyFile: undefined,
    overrides: { listen: (listener) => void listeners.push(listener), modeOf: () => state.override },
    directory: {
      recordFallback: (_org, agentId) => {
        recorded.push(agentId);
        return Promise.resolve({ kind: 'ok' });
      },
    },
  });
  await handler.start();
  const { session, frames } = fakeSession(1);
  context.hub.add(session);
  const override = async (org: OrgId): Promise<void> => {
    state.override = { mode: 'poll', reason: 'r', by: 'op', atMs: 0 };
    for (const listener of listeners) listener.modeChanged?.(org, session.agentId);
    await turn();
  };
  return { handler, session, frames, override, recorded };
}

describe('ModeHandler', () => {
  it('assigns the mode of an override to the agent that it is for, and to no agent of another org', async () => {
    const { handler, session, frames, override } = await setUp();
    expect(handler.welcome(session)).toMatchObject({ mode: { mode: 'live' } });
    await override('globex' as OrgId);
    expect(frames).toEqual([]);
    await override(ACME);
    expect(frames.map(({ type }) => type)).toEqual([FRAME.mode]);
    await handler.stop();
  });

  it('assigns nothing to a session that has ended', async () => {
    const { handler, session, frames, override } = await setUp();
    handler.welcome(session);
    handler.closed(session);
    await override(ACME);
    expect(frames).toEqual([]);
    await handler.stop();
  });

  it('records what HELLO says of a fallback', async () => {
    const { handler, session, recorded } = await setUp();
    handler.ready(session, {});
    expect(recorded).toEqual([]);
    handler.ready(session, { away: { forMs: 1, failures: 1, why: 'w' } });
    await handler.stop();
    expect(recorded).toEqual(['a1']);
  });
});
