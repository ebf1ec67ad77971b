import type { Bus } from '@muster/bus';
import type { FrameType } from '@muster/protocol';
import { createMetrics, NO_TRACER, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import type { Capability, FrameFault } from '../foundation/capability.js';
import { GatewayIdentity } from '../foundation/gateway-identity.js';
import type { SessionView, SuccessorView } from '../foundation/session-view.js';
import { Hub } from '../sessions/hub/hub.js';

/** What a capability is made with, without a gateway around it. `hasSuccessor`: what the registry says of ended sessions. */
export function capabilityContext(bus: Bus, hasSuccessor: SuccessorView['hasSuccessor'] = async () => false) {
  const clock = new FakeClock();
  const metrics = createMetrics('gateway');
  const identity = new GatewayIdentity({ clock, logger: silentLogger, leaseMs: 15_000 });
  const common = { clock, logger: silentLogger, metrics, tracer: NO_TRACER };
  return { ...common, bus, hub: new Hub(), identity, successors: { hasSuccessor } };
}

/** Hands a frame of a session to a capability, as the session manager does. */
export function frameTo(
  capability: Capability,
  session: SessionView,
  frame: {
    readonly type: FrameType;
    readonly ref?: number;
    readonly flags?: number;
    readonly body: Uint8Array;
    readonly ageMs?: number;
  },
): FrameFault | undefined {
  const { type, ref = 0, flags = 0, body, ageMs = 0 } = frame;
  const route = capability.frames.find((each) => each.type === type);
  if (route === undefined) throw new Error(`${capability.name} takes no frames of type ${type}`);
  return route.handle(session, { type, ref, flags }, body, ageMs);
}

/** Lets everything run that is due at the end of this turn of the event loop. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
