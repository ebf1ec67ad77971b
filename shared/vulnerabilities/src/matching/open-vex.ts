import { PackageURL } from 'packageurl-js';
import { z } from 'zod';
import { type VexStatement, vexStatementSchema } from '../feed/vex-statement.js';
import { ecosystemOf } from './installed-packages.js';

const text = z.string().max(2_000);
const product = z.union([
  z.string(),
  z.object({ '@id': z.string().optional(), subcomponents: z.array(z.unknown()).optional() }),
]);
const document = z.object({
  '@context': z.string().startsWith('https://openvex.dev/ns'),
  statements: z
    .array(
      z.object({
        vulnerability: z.union([z.string(), z.object({ name: z.string() })]),
        products: z.array(product).max(10_000).optional(),
        timestamp: text.optional(),
        status: z.enum(['not_affected', 'affected', 'fixed', 'under_investigation']),
        justification: z.string().optional(),
        impact_statement: text.optional(),
        action_statement: text.optional(),
        status_notes: text.optional(),
      }),
    )
    .max(100_000),
});

export interface VexOptions {
  /** When the statements end: OpenVEX has no end. RFC 3339. */
  readonly until: string;
  /** For statements that say nothing of the kind. */
  readonly reason?: string;
}

export interface ReadVex {
  readonly statements: readonly VexStatement[];
  /** What was left out, and why. */
  readonly faults: readonly string[];
}

type Statement = z.infer<typeof document>['statements'][number];

/**
 * The statements of an OpenVEX document that suppress: `not_affected` and `fixed`. A product is a package as a package
 * URL. Of several statements of one vulnerability and package the last one counts, whatever it says. Left out, and
 * told: what says something only about an image or a system that has the package, because other systems have it too,
 * and packages of an ecosystem that Muster does not compare.
 * @throws TypeError when it is no such document
 */
export function readOpenVex(value: unknown, { until, reason }: VexOptions): ReadVex {
  const parsed = document.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TypeError(`no OpenVEX document: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
  }
  const latest = new Map<string, { readonly one: Statement; readonly vulnerability: string; readonly url: string }>();
  const faults: string[] = [];
  for (const one of inOrder(parsed.data.statements)) {
    const vulnerability = typeof one.vulnerability === 'string' ? one.vulnerability : one.vulnerability.name;
    const { urls, refused } = packageUrls(one.products ?? []);
    if (suppresses(one)) faults.push(...refused.map((why) => `${vulnerability}: ${why}`));
    for (const url of urls) latest.set(`${vulnerability}\n${keyOf(url)}`, { one, vulnerability, url });
  }
  const statements: VexStatement[] = [];
  for (const { one, vulnerability, url } of latest.values()) {
    if (!suppresses(one)) continue;
    const { status, justification } = one;
    const named = packageOf(url);
    if (!named.ok) {
      faults.push(`${vulnerability}, ${url}: ${named.message}`);
      continue;
    }
    const why = one.impact_statement ?? one.status_notes ?? one.action_statement ?? justification ?? reason;
    const made = vexStatementSchema.safeParse({
      ...{ vulnerability, package: named.package, status, reason: why, until },
      ...(justification === undefined ? {} : { justification }),
    });
    if (made.success) statements.push(made.data);
    else faults.push(`${vulnerability}, ${url}: ${made.error.issues[0]?.path.join('.') ?? ''} is missing or not known`);
  }
  return { statements, faults };
}

function suppresses({ status }: Statement): boolean {
  return status === 'not_affected' || status === 'fixed';
}

/** By their time, where every one has it; else as they stand. */
function inOrder(statements: readonly Statement[]): readonly Statement[] {
  const timed = statements.map((one) => ({ one, atMs: Date.parse(one.timestamp ?? '') }));
  if (timed.some(({ atMs }) => !Number.isFinite(atMs))) return statements;
  return timed.toSorted((first, second) => first.atMs - second.atMs).map(({ one }) => one);
}

function packageUrls(products: readonly z.infer<typeof product>[]): { urls: string[]; refused: string[] } {
  const urls: string[] = [];
  const refused: string[] = [];
  if (products.length === 0) refused.push('it names no product');
  for (const one of products) {
    const id = typeof one === 'string' ? one : one['@id'];
    if (typeof one !== 'string' && (one.subcomponents ?? []).length > 0)
      refused.push(`${id ?? 'a product'}: it is about what this product has, and other systems have it too`);
    else if (id?.startsWith('pkg:') === true) urls.push(id);
    else refused.push('a product is no package URL');
  }
  return { urls, refused };
}

/** Two texts of one package URL are one. */
function keyOf(url: string): string {
  try {
    return PackageURL.fromString(url).toString();
  } catch {
    return url;
  }
}

type Named =
  { readonly ok: true; readonly package: VexStatement['package'] } | { readonly ok: false; readonly message: string };

/**
 * With its ecosystem, always: one of another type may have the same name. A `deb` package of Debian without its
 * release, and a package of the type `generic`, are refused too: they would count for every system.
 */
function packageOf(url: string): Named {
  let read: PackageURL;
  try {
    read = PackageURL.fromString(url);
  } catch {
    return { ok: false, message: 'it is no package URL' };
  }
  const { type, namespace, name, version } = read;
  const versions = typeof version === 'string' ? { version } : {};
  if (type === 'npm')
    return {
      ok: true,
      package: { ecosystem: 'npm', name: namespace ? `${namespace}/${name}` : name, ...versions },
    };
  if (type === 'pypi') return { ok: true, package: { ecosystem: 'PyPI', name, ...versions } };
  const ecosystem = systemEcosystem(read);
  if (ecosystem !== undefined) return { ok: true, package: { ecosystem, name, ...versions } };
  return {
    ok: false,
    message: 'its type and distribution name no ecosystem: npm, pypi, deb or rpm with distro=debian-12 or the like',
  };
}

const PLATFORMS: Readonly<Record<string, string>> = { deb: 'debian|ubuntu', rpm: 'almalinux|rocky' };

function systemEcosystem({ type, qualifiers }: PackageURL): string | undefined {
  const platforms = PLATFORMS[type ?? ''];
  if (platforms === undefined) return undefined;
  const [, platform = '', version = ''] =
    new RegExp(`^(${platforms})-(\\d+(?:\\.\\d+)?)$`).exec(qualifiers?.['distro'] ?? '') ?? [];
  return ecosystemOf({ platform, version });
}
