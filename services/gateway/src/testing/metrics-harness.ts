import { MemoryBroker } from '@muster/bus/memory';
import { decodeBody, FRAME, type FrameType, type MetricsBody } from '@muster/protocol';
import { MetricsHandler, type MetricsHandlerOptions } from '../capabilities/metrics/metrics-handler.js';
import type { FrameFault } from '../foundation/capability.js';
import { capabilityContext, frameTo, turn } from './capability-harness.js';
import { fakeSession, type FakeSession, type FakeSessionOptions } from './fake-session.js';
import { TestTelemetry } from './test-telemetry.js';
import { TestViewers } from './test-viewers.js';

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** The metrics capability with fake sessions, a telemetry service and viewers, on a broker inside the process. */
export async function metricsHarness(options: Partial<Pick<MetricsHandlerOptions, 'policyFile' | 'maxWatched'>> = {}) {
  const broker = new MemoryBroker();
  const context = capabilityContext(broker.connect().bus);
  const telemetry = new TestTelemetry(broker.connect().bus);
  const viewers = new TestViewers(broker.connect().bus);
  const handler = new MetricsHandler({ ...context, policyFile: undefined, ...options });
  await handler.start();
  const join = (num: number, session: FakeSessionOptions & { readonly epoch?: number } = {}): FakeSession => {
    const fake = fakeSession(num, { capabilities: ['metrics'], ...session });
    fake.session.epoch = session.epoch ?? num;
    context.hub.add(fake.session);
    handler.ready(fake.session);
    return fake;
  };
  const leave = ({ session }: FakeSession): void => {
    session.state = 'closed';
    context.hub.remove(session);
    handler.closed(session);
  };
  const send = ({ session }: FakeSession, text: string, type: FrameType = FRAME.delta): FrameFault | undefined =>
    frameTo(handler, session, { type, body: bytes(text) });
  /** Lets everything be sent that waits for its time. */
  const flush = async (): Promise<void> => {
    await turn();
    context.clock.advance(250);
    await turn();
  };
  const count = async (name: string): Promise<number> => {
    const text = await context.metrics.registry.metrics();
    return Number(new RegExp(`^muster_gateway_metrics_${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
  };
  return { ...context, broker, telemetry, viewers, handler, join, leave, send, flush, count };
}

/** What METRICS frames have told an agent. */
export function told({ frames }: FakeSession): MetricsBody[] {
  return frames
    .filter(({ type }) => type === FRAME.metrics)
    .map(({ body }) => {
      const decoded = decodeBody('metrics', body);
      if (!decoded.ok) throw new Error(decoded.fault);
      return decoded.body;
    });
}
