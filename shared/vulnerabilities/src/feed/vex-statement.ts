import { z } from 'zod';

/** OpenVEX justifications of `not_affected`. */
const JUSTIFICATIONS = [
  'component_not_present',
  'vulnerable_code_not_present',
  'vulnerable_code_not_in_execute_path',
  'vulnerable_code_cannot_be_controlled_by_adversary',
  'inline_mitigations_already_exist',
] as const;

/** A statement that a vulnerability does not count: a VEX statement with an end. */
export const vexStatementSchema = z.strictObject({
  vulnerability: z.string().min(1).max(128),
  package: z.strictObject({
    ecosystem: z.string().min(1).max(128).optional(),
    name: z.string().min(1).max(512),
    version: z.string().min(1).max(512).optional(),
  }),
  status: z.enum(['not_affected', 'fixed']),
  justification: z.enum(JUSTIFICATIONS).optional(),
  /** Why, in words. */
  reason: z.string().min(1).max(2_000),
  /** When it ends. A statement without an end is refused: what was true of one version is not true for ever. */
  until: z.iso.datetime({ offset: true }),
});
export type VexStatement = z.infer<typeof vexStatementSchema>;
