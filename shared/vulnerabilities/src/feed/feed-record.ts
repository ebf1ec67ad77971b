import { z } from 'zod';
import { vexStatementSchema } from './vex-statement.js';
import { parseOsvRecord } from './osv-record.js';

/** A record as it is kept: what matching reads of it, as JSON in one line. */
export interface KeptRecord {
  readonly text: string;
  readonly ecosystems: readonly string[];
  readonly isWithdrawn: boolean;
  /** When it was changed, as it says. */
  readonly modifiedMs?: number;
}

export type ReadRecord =
  { readonly ok: true; readonly record: KeptRecord } | { readonly ok: false; readonly message: string };

const cve = z.string().regex(/^CVE-\d{4}-\d{1,19}$/, 'is not a CVE id');
/** A number or its text. An empty field says nothing; it is not 0. */
const share = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\d*\.?\d+(?:e-?\d+)?$/i, 'is no number')
      .transform(Number),
  ])
  .pipe(z.number().min(0).max(1));

/** One line of the EPSS file (FIRST). */
export const epssSchema = z.object({ cve, epss: share, percentile: share });
export type EpssRecord = z.infer<typeof epssSchema>;

/** One entry of CISA's catalogue of known exploited vulnerabilities. */
export const kevSchema = z.object({
  cveID: cve,
  dateAdded: z.iso.date(),
  dueDate: z.iso.date().optional(),
  knownRansomwareCampaignUse: z.string().max(32).optional(),
});
export type KevRecord = z.infer<typeof kevSchema>;

const SCHEMAS = { epss: epssSchema, kev: kevSchema, vex: vexStatementSchema } as const;

/** Summaries are for lists. */
const SUMMARY_CHARS = 300;

/** Reads one record of unknown origin for a feed of this kind. */
export function readFeedRecord(kind: 'osv' | keyof typeof SCHEMAS, text: string): ReadRecord {
  if (kind === 'osv') return readOsv(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  const parsed = SCHEMAS[kind].safeParse(value);
  if (parsed.success)
    return { ok: true, record: { text: JSON.stringify(parsed.data), ecosystems: [], isWithdrawn: false } };
  const [issue] = parsed.error.issues;
  return { ok: false, message: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is no record'}` };
}

function readOsv(text: string): ReadRecord {
  const parsed = parseOsvRecord(text);
  if (!parsed.ok) return parsed;
  const { summary, ...rest } = parsed.record;
  const record = { ...rest, ...(summary ? { summary: summary.slice(0, SUMMARY_CHARS) } : {}) };
  const ecosystems = new Set<string>();
  for (const { package: one } of record.affected ?? []) if (one !== undefined) ecosystems.add(one.ecosystem);
  const modifiedMs = Date.parse(record.modified);
  return {
    ok: true,
    record: {
      text: JSON.stringify(record),
      ecosystems: [...ecosystems],
      isWithdrawn: typeof record.withdrawn === 'string',
      ...(Number.isFinite(modifiedMs) ? { modifiedMs } : {}),
    },
  };
}
