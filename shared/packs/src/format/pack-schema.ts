import { z } from 'zod';

/** What a pack may have. Exceeding one is a fault with a message. */
export const PACK_LIMITS = {
  checks: 1_000,
  sqlLength: 16_384,
  titleLength: 200,
  textLength: 4_000,
  idLength: 100,
  evidenceColumns: 12,
  references: 40,
} as const;

/** From the least to the most severe. */
export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

const PLATFORMS = ['linux', 'windows', 'darwin'] as const;

/** Control characters and marks that change the direction of text; in texts that people read they can hide what is there. */
export const HIDDEN = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
/** The same, but for what divides text into lines and columns. */
export const HIDDEN_BUT_BREAKS = /[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

const name = z
  .string()
  .max(PACK_LIMITS.idLength)
  .regex(/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/, 'lower-case letters and digits, joined by ".", "_" or "-"');
const isLine = (value: string): boolean => !HIDDEN.test(value);
const IS_LINE = 'one line without control characters';
const line = (max: number) => z.string().min(1).max(max).refine(isLine, IS_LINE);
const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !HIDDEN_BUT_BREAKS.test(value), 'text without control characters');
const sql = text(PACK_LIMITS.sqlLength).refine((value) => value.trim() !== '', 'a SELECT');

const listOf = <T extends z.ZodType<string>>(item: T, max: number = PACK_LIMITS.references) =>
  z
    .array(item)
    .min(1)
    .max(max)
    .refine((items) => new Set(items).size === items.length, 'each only once');

/** A number such as 5.10 would be read as 5.1. */
const reference = z
  .string({
    error: (issue) => (typeof issue.input === 'number' ? 'write it in quotes, it is not a number' : undefined),
  })
  .min(1)
  .max(200)
  .refine(isLine, IS_LINE);

/** One reference of each kind. */
export const REFERENCE = {
  cis: reference,
  nist: reference,
  pci: reference,
  cce: z.string().regex(/^CCE-\d{1,8}-\d$/, 'CCE-12345-6'),
  cve: z.string().regex(/^CVE-\d{4}-\d{4,19}$/, 'CVE-2024-12345'),
  mitre: z.string().regex(/^TA?\d{4}(?:\.\d{3})?$/, 'T1543.002'),
  url: z
    .url({ protocol: /^https?$/ })
    .max(500)
    .refine(isLine, IS_LINE),
} as const;

const references = z.strictObject({
  cis: listOf(REFERENCE.cis).describe('Sections of a CIS benchmark, in quotes.').optional(),
  nist: listOf(REFERENCE.nist).describe('Controls of NIST SP 800-53, such as AC-6.').optional(),
  pci: listOf(REFERENCE.pci).describe('Requirements of PCI DSS, in quotes.').optional(),
  cce: listOf(REFERENCE.cce).describe('Common Configuration Enumeration.').optional(),
  cve: listOf(REFERENCE.cve).optional(),
  mitre: listOf(REFERENCE.mitre).describe('Techniques of MITRE ATT&CK.').optional(),
  url: listOf(REFERENCE.url).optional(),
});

const actionParam = z.union([
  z.string().max(1_000),
  z.number(),
  z.boolean(),
  z.array(z.string().max(1_000)).max(100),
  z.record(z.string().max(100), z.string().max(1_000)),
]);

const action = z.strictObject({
  name: z
    .string()
    .max(80)
    .regex(/^[a-z]+(?:\.[a-z_]+)?$/, 'the name of an action, such as service.stop')
    .describe('An action of the catalogue. It is bound to the rows of the check, unless params name its object.'),
  params: z.record(z.string().max(80), actionParam).optional(),
});

const check = z.strictObject({
  id: name.describe('Unique in the pack. Findings and exceptions refer to it, so it stays when the text changes.'),
  title: line(PACK_LIMITS.titleLength).describe('What is right when the check passes.'),
  description: text(PACK_LIMITS.textLength).describe('Why it matters.').optional(),
  severity: z.enum(SEVERITIES),
  platforms: listOf(z.enum(PLATFORMS), 3).describe('On others the check is not_applicable.'),
  tags: listOf(name, 20).optional(),
  applies_if: sql.describe('Without a row of this SELECT the check is not_applicable on an endpoint.').optional(),
  sql: sql.describe('One SELECT on the tables of endpoints.').optional(),
  row_means: z.enum(['pass', 'fail']).describe('What it means when the SELECT returns a row.').optional(),
  evidence: listOf(line(128), PACK_LIMITS.evidenceColumns)
    .describe('Result columns that a finding shows; all of them without it.')
    .optional(),
  not_applicable: line(500).describe('Why the check has no SELECT. It is then not_applicable everywhere.').optional(),
  remediation: text(PACK_LIMITS.textLength).describe('How to mend it.').optional(),
  action: action.optional(),
  references: references.optional(),
});

/** The one source of the format: reading, the JSON schema for editors and the types are made of it. */
export const packSchema = z.strictObject({
  kind: z.literal('muster/pack'),
  format: z.literal(1),
  id: name,
  version: z
    .string({
      error: (issue) => (typeof issue.input === 'number' ? 'write it in quotes, it is not a number' : undefined),
    })
    .max(64)
    .regex(/^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?$/, 'a semantic version, such as 1.2.0'),
  title: line(PACK_LIMITS.titleLength),
  description: text(PACK_LIMITS.textLength).optional(),
  license: line(PACK_LIMITS.titleLength).optional(),
  checks: z.array(check).min(1),
});

/** A set of checks, as its file has it. */
export type Pack = z.infer<typeof packSchema>;
/** One question with a verdict. Either it has `sql` and `row_means`, or `not_applicable` with the reason. */
export type Check = z.infer<typeof check>;
