import type { Lab } from './lab.js';

/** Where the agents of a simulated fleet connect, and what they enrol with, in a lab. */
export function fleetOptions({ stack }: Lab) {
  const [first, ...others] = stack.gateways.map(({ url }) => url);
  if (first === undefined) throw new Error('a lab without gateways');
  return { gateways: [first, ...others] as [string, ...string[]], org: stack.org, enrolSecret: stack.enrollSecret };
}
