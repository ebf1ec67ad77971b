import type { ChannelBehaviour } from '../simulator/index.js';
import type { Lab } from './lab.js';

/** Where the agents of a simulated fleet connect, and what they enrol with, in a lab. */
export function fleetOptions({ stack }: Lab) {
  const [first, ...others] = stack.gateways.map(({ url }) => url);
  if (first === undefined) throw new Error('a lab without gateways');
  return { gateways: [first, ...others] as [string, ...string[]], org: stack.org, enrolSecret: stack.enrollSecret };
}

/**
 * A fleet that stays on this channel. Those that poll come every second, and each time to another gateway than before, as behind a load
 * balancer that knows nothing of sessions.
 */
export function onChannel(mode: ChannelBehaviour['mode']): { readonly channel: Partial<ChannelBehaviour> } {
  return { channel: { mode, capable: false, pollIntervalMs: 1_000, scattered: true } };
}
