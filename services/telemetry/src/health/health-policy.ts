import { parseDocument, parseDurationMs, type ParsedDocument } from '@muster/runtime';
import { z } from 'zod';
import { VITALS } from '../samples/vitals.js';

/** The name of the rule about endpoints that have a session and send no samples. */
export const SILENT = 'silent';
const MAX_RULES = 8;

const duration = z.string().transform((text, context): number => {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms <= 86_400_000) return ms;
  context.addIssue({ code: 'custom', message: 'must be a duration of at most a day, such as 5m' });
  return z.NEVER;
});

const rule = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be lower-case letters, digits and _'),
    vital: z.enum(VITALS),
    warning: z.number().optional(),
    critical: z.number().optional(),
    /** The value must be over the threshold, or below it again, for so long. */
    for: duration.default(0),
    /** A state ends when the value is so far below its threshold. */
    hysteresis: z.number().min(0).default(0),
  })
  .refine(({ name }) => name !== SILENT, 'silent is the name of the built-in rule')
  .refine(({ warning, critical }) => warning !== undefined || critical !== undefined, 'needs warning or critical')
  .refine(
    ({ warning, critical }) => warning === undefined || critical === undefined || warning <= critical,
    'warning must not be above critical',
  );

const policySchema = z.strictObject({
  rules: z
    .array(rule)
    .max(MAX_RULES)
    .refine((rules) => new Set(rules.map(({ name }) => name)).size === rules.length, 'two rules have the same name'),
  /** What an endpoint is that has a session and sends no samples. */
  silent: z.enum(['ok', 'warning', 'critical']).default('warning'),
});

export type HealthPolicy = z.output<typeof policySchema>;
export type HealthRule = HealthPolicy['rules'][number];

const MINUTE = 60_000;

/** The policy without a file. */
export const DEFAULT_HEALTH_POLICY: HealthPolicy = {
  silent: 'warning',
  rules: [
    { name: 'disk_nearly_full', vital: 'disk', warning: 0.9, critical: 0.97, hysteresis: 0.02, for: 0 },
    { name: 'memory_pressure', vital: 'memory', warning: 0.9, critical: 0.97, hysteresis: 0.03, for: 5 * MINUTE },
    { name: 'cpu_saturated', vital: 'cpu', warning: 0.95, hysteresis: 0.05, for: 10 * MINUTE },
    { name: 'clock_off', vital: 'clock', warning: 30, critical: 300, hysteresis: 5, for: 2 * MINUTE },
    { name: 'agent_over_budget', vital: 'agent', warning: 0.1, hysteresis: 0.02, for: 10 * MINUTE },
  ],
};

export function parseHealthPolicy(text: string): ParsedDocument<HealthPolicy> {
  return parseDocument(text, policySchema);
}
