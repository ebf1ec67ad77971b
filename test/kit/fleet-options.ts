import type { ChannelBehaviour } from '../simulator/index.js';
import type { Harness } from './harness.js';

/** The gateways, organisation and enrolment secret for a simulated fleet. */
export function fleetOptions({ stack }: Harness) {
  const [first, ...others] = stack.gateways.map(({ url }) => url);
  if (first === undefined) throw new Error('the stack has no gateway');
  return { gateways: [first, ...others] as [string, ...string[]], org: stack.org, enrolSecret: stack.enrollSecret };
}

/**
 * A fleet that stays on this channel. Its agents poll every second, each time at another gateway, as behind a load balancer without
 * stickiness.
 */
export function onChannel(mode: ChannelBehaviour['mode']): { readonly channel: Partial<ChannelBehaviour> } {
  return { channel: { mode, capable: false, pollIntervalMs: 1_000, scattered: true } };
}
