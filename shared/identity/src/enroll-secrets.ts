import { createHash, scryptSync } from 'node:crypto';
import { isOrgId, labelFaults, type Labels } from '@muster/protocol';
import { z } from 'zod';

/** One secret with which endpoints may enrol, and how far. The secret itself is not in memory, only its hash. */
export interface EnrollSecret {
  readonly org: string;
  /** What identities that enrolled with it are kept under: its name, or a name that is derived from it, which begins with `~`. */
  readonly name: string;
  /** Milliseconds since 1970; it is not valid from then on. */
  readonly expiresAtMs?: number;
  /** How many identities may exist at a time that enrolled with it. */
  readonly maxIdentities?: number;
  /** Enrolments a minute at one gateway. */
  readonly perMinute?: number;
  /** Operators' labels of the endpoints that enrol with it. */
  readonly labels?: Labels;
}

/** The secrets with which endpoints may enrol, by org. */
export interface EnrollSecrets {
  /** The orgs with at least one secret. */
  readonly orgs: readonly string[];
  readonly all: readonly EnrollSecret[];
  /** The secret, if it is one of this org's, expired or not. The time it takes says nothing of other secrets: they are found by hash. */
  find(org: string, secret: string): EnrollSecret | undefined;
}

export type ParsedEnrollSecrets =
  | { readonly ok: true; readonly secrets: EnrollSecrets }
  /** `fault` is written to follow a variable's name, and quotes no secret. */
  | { readonly ok: false; readonly fault: string };

const MIN_SECRET_CHARS = 16;

const bounded = z.strictObject({
  secret: z.string(),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/)
    .optional(),
  expires: z.iso.datetime({ offset: true }).or(z.iso.date()).optional(),
  maxIdentities: z.int().min(1).optional(),
  perMinute: z.int().min(1).optional(),
  labels: z.record(z.string(), z.string()).optional(),
});

type Given = z.output<typeof bounded>;
type Pairs = readonly (readonly [org: string, given: Given])[];

/**
 * Reads `acme=secret,acme=next-secret,globex=other`, or JSON `{"acme":["secret","next-secret"],"globex":"other"}` for secrets with a comma.
 * An org may have several secrets, so that a new one can be given out before the old one is withdrawn. In JSON a secret may have bounds:
 * `{"acme":[{"secret":"…","name":"branch","expires":"2027-01-31","maxIdentities":500,"perMinute":60,"labels":{"site":"zrh"}}]}`.
 * `before` is what the text said before: names of secrets that were in it are not derived again.
 */
export function parseEnrollSecrets(
  text: string,
  before?: Extract<ParsedEnrollSecrets, { ok: true }>,
): ParsedEnrollSecrets {
  const pairs = text.trimStart().startsWith('{') ? fromJson(text) : fromList(text);
  if (typeof pairs === 'string') return { ok: false, fault: pairs };
  if (pairs.length === 0) return { ok: false, fault: 'must have at least one secret' };
  const known = new Map<string, EnrollSecret>();
  const names = new Set<string>();
  for (const [org, given] of pairs) {
    const fault = faultOf(org, given);
    if (fault !== undefined) return { ok: false, fault };
    const key = keyOf(org, given.secret);
    if (known.has(key) && Object.keys(given).length === 1) continue;
    const secret = compiled(org, given, before?.secrets);
    const name = `${org}/${secret.name}`;
    if (known.has(key) || names.has(name)) {
      return { ok: false, fault: `has one secret of ${org} twice, or two with the same name` };
    }
    names.add(name);
    known.set(key, secret);
  }
  const all = [...known.values()];
  const orgs = [...new Set(all.map(({ org }) => org))];
  return { ok: true, secrets: { orgs, all, find: (org, secret) => known.get(keyOf(org, secret)) } };
}

function faultOf(org: string, { secret, labels = {} }: Given): string | undefined {
  if (!isOrgId(org)) return `has an org that is not [a-z0-9-], 1 to 63 characters: ${JSON.stringify(org)}`;
  // They are compared by a fast hash and can be tried over the network, so they must not be guessable.
  if (secret.length < MIN_SECRET_CHARS) return `has a secret of ${org} shorter than ${MIN_SECRET_CHARS} characters`;
  const faults = labelFaults(labels);
  return faults.length === 0
    ? undefined
    : `has a secret of ${org} with labels that cannot be set: ${faults.join('; ')}`;
}

function compiled(org: string, given: Given, before: EnrollSecrets | undefined): EnrollSecret {
  const { secret, name, expires, maxIdentities, perMinute, labels } = given;
  return {
    org,
    name: name ?? knownName(before, org, secret) ?? derivedName(org, secret),
    ...(expires === undefined ? {} : { expiresAtMs: Date.parse(expires) }),
    ...(maxIdentities === undefined ? {} : { maxIdentities }),
    ...(perMinute === undefined ? {} : { perMinute }),
    ...(labels === undefined ? {} : { labels }),
  };
}

function knownName(before: EnrollSecrets | undefined, org: string, secret: string): string | undefined {
  const name = before?.find(org, secret)?.name;
  return name?.startsWith('~') === true ? name : undefined;
}

/** The name is in records that others can read, so it is made by a slow hash: it must not help to guess the secret. */
function derivedName(org: string, secret: string): string {
  return `~${scryptSync(secret, `muster.v1 enrolment secret of ${org}`, 6).toString('base64url')}`;
}

function keyOf(org: string, secret: string): string {
  return createHash('sha256').update(`${org}\n${secret}`).digest('base64');
}

const FORM = 'must be org=secret,org=secret or JSON {"org":["secret"]}';

function fromList(text: string): Pairs | string {
  const items = text.split(',').map((item) => item.trim());
  const pairs = items
    .filter((item) => item !== '')
    .map((item) => [item.split('=', 1)[0] ?? '', { secret: item.replace(/^[^=]*=?/, '') }] as const);
  return pairs.every(([, { secret }]) => secret !== '') ? pairs : FORM;
}

function fromJson(text: string): Pairs | string {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return FORM;
  }
  if (typeof document !== 'object' || document === null) return FORM;
  const pairs: (readonly [string, Given])[] = [];
  for (const [org, value] of Object.entries(document as Record<string, unknown>)) {
    for (const secret of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof secret !== 'string' && (typeof secret !== 'object' || secret === null)) return FORM;
      const given = bounded.safeParse(typeof secret === 'string' ? { secret } : secret);
      if (!given.success) return `has a secret of ${org.slice(0, 63)} whose ${faultsOf(given.error)}`;
      pairs.push([org, given.data]);
    }
  }
  return pairs;
}

/** Paths and reasons alone: values are not quoted, one of them is the secret. */
function faultsOf({ issues }: z.ZodError): string {
  return issues
    .map(({ path, code, message }) =>
      code === 'unrecognized_keys' ? 'members are not all known' : `"${path.join('.')}" does not fit: ${message}`,
    )
    .join('; ');
}
