/** What a fault strikes: one process of the system, by its name in the stack, or a broker. */
export const PARTS = [
  'gateway-1',
  'gateway-2',
  'query-1',
  'query-2',
  'command-1',
  'command-2',
  'api-1',
  'nats',
  'redis',
] as const;
export type Part = (typeof PARTS)[number];

/**
 * What happens to one part.
 *
 * - `kill`: SIGKILL. A program is started again by its supervisor, a broker after `ms`.
 * - `freeze`: SIGSTOP, and SIGCONT after `ms`.
 * - `empty`: Redis forgets everything.
 * - `restart`: a broker is stopped in good order and started again.
 */
export interface Strike {
  readonly part: Part;
  readonly kind: 'kill' | 'freeze' | 'empty' | 'restart';
  readonly ms: number;
}

/** One fault of a round: one strike, or two at once. */
export type Fault = readonly [Strike, ...Strike[]];

export function describeFault(fault: Fault): string {
  return fault.map(describeStrike).join(' and ');
}

function describeStrike({ part, kind, ms }: Strike): string {
  const duration = ms === 0 ? '' : ` for ${ms / 1_000} s`;
  return `${kind} ${part}${duration}`;
}
