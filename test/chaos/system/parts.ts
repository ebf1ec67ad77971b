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
/** An upgrade strikes these as well. */
export const OTHER_PARTS = ['telemetry-1', 'posture-1'] as const;
export type Part = (typeof PARTS)[number] | (typeof OTHER_PARTS)[number];
