import { z } from 'zod';

/** What one record may have. Linux kernel records are the largest real ones, with about 1 MB. */
export const OSV_LIMITS = {
  recordBytes: 8 * 1024 * 1024,
  affected: 20_000,
  events: 20_000,
  versions: 200_000,
} as const;

const short = z.string().max(512);
const event = z.object({
  introduced: short.optional(),
  fixed: short.optional(),
  last_affected: short.optional(),
  limit: short.optional(),
});
const severity = z.array(z.object({ type: short, score: short })).max(20);
const affected = z.object({
  package: z.object({ ecosystem: short, name: short }).optional(),
  ranges: z
    .array(z.object({ type: z.enum(['SEMVER', 'ECOSYSTEM', 'GIT']), events: z.array(event).max(OSV_LIMITS.events) }))
    .max(1_000)
    .optional(),
  versions: z.array(short).max(OSV_LIMITS.versions).optional(),
  severity: severity.optional(),
});
const record = z.object({
  id: z.string().min(1).max(128),
  modified: short,
  withdrawn: short.nullish(),
  aliases: z.array(short).max(1_000).nullish(),
  upstream: z.array(short).max(1_000).nullish(),
  summary: z.string().max(10_000).nullish(),
  severity: severity.nullish(),
  affected: z.array(affected).max(OSV_LIMITS.affected).nullish(),
});

/** The parts of an OSV record (ossf/osv-schema) that matching reads; others are ignored. */
export type OsvRecord = z.infer<typeof record>;
export type OsvAffected = z.infer<typeof affected>;

export type ParsedRecord =
  { readonly ok: true; readonly record: OsvRecord } | { readonly ok: false; readonly message: string };

/** Reads one record of unknown origin. */
export function parseOsvRecord(text: string): ParsedRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  const parsed = record.safeParse(value);
  if (parsed.success) return { ok: true, record: parsed.data };
  const [issue] = parsed.error.issues;
  return { ok: false, message: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is no record'}` };
}
