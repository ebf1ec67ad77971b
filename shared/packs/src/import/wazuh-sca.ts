import type { Check } from '../format/pack-schema.js';
import { readYaml } from '../yaml/read-yaml.js';
import {
  idFrom,
  type ImportedChecks,
  type ImportNote,
  isObject,
  lineFrom,
  type SourceFile,
  textFrom,
  wordFrom,
} from './imported.js';
import { translateRule, type TranslatedRule } from './wazuh-rule.js';

/** Compliance maps of Wazuh → keys of references. */
const MAPS: Readonly<Record<string, 'cis' | 'nist' | 'pci' | 'mitre'>> = {
  cis: 'cis',
  nist_800_53: 'nist',
  'nist_sp_800-53': 'nist',
  pci_dss: 'pci',
  'pci_dss_v3.2.1': 'pci',
  'pci_dss_v4.0': 'pci',
  mitre_techniques: 'mitre',
};

/**
 * A Security Configuration Assessment policy of Wazuh. A check whose rules can all be translated becomes a SELECT that
 * returns a row when it passes; the others become `not_applicable` with the reason.
 */
export function importWazuhSca({ name: file, text }: SourceFile): ImportedChecks {
  const yaml = readYaml(text);
  if (!yaml.ok)
    return { checks: [], notes: yaml.faults.map(({ line, message }) => ({ subject: `${file}:${line}`, message })) };
  const value = yaml.documents[0]?.value;
  if (!isObject(value) || !Array.isArray(value['checks']))
    return { checks: [], notes: [{ subject: file, message: 'has no "checks"' }] };
  const policy = isObject(value['policy']) ? value['policy'] : {};
  const context: Context = {
    regex: policy['regex_type'] === 'pcre2' ? 'pcre2' : 'osregex',
    variables: isObject(value['variables']) ? value['variables'] : {},
    platforms: ['linux'],
    notes: [],
  };
  const appliesIf = isObject(value['requirements']) ? conditionOf(value['requirements'], context) : undefined;
  if (appliesIf?.ok === false) context.notes.push({ subject: 'requirements', message: appliesIf.reason });
  const checks = value['checks'].filter(isObject).map((one) => checkOf(one, context));
  const usable = appliesIf?.ok === true ? `SELECT 1 AS applies WHERE ${appliesIf.sql}` : undefined;
  return {
    checks: checks.map((check) =>
      usable === undefined || check.sql === undefined ? check : { ...check, applies_if: usable },
    ),
    notes: context.notes,
  };
}

interface Context {
  readonly regex: 'osregex' | 'pcre2';
  readonly variables: Readonly<Record<string, unknown>>;
  readonly platforms: Check['platforms'];
  readonly notes: ImportNote[];
}

function checkOf(one: Readonly<Record<string, unknown>>, context: Context): Check {
  const id = idFrom(`wazuh-${wordFrom(one['id'] ?? one['title'])}`);
  const description = textFrom(
    [one['description'], one['rationale']].filter((part) => typeof part === 'string').join('\n\n'),
  );
  const remediation = textFrom(one['remediation']);
  const references = referencesOf(one['compliance'], id, context.notes);
  const condition = conditionOf(one, context);
  const usesRegistry =
    JSON.stringify(one['rules'] ?? '').includes('r:HKEY') || JSON.stringify(one['rules'] ?? '').includes('r:HKLM');
  if (!condition.ok) context.notes.push({ subject: id, message: condition.reason });
  return {
    id,
    title: lineFrom(wordFrom(one['title'])) || id,
    severity: 'medium',
    platforms: usesRegistry ? ['windows'] : context.platforms,
    ...(description === undefined ? {} : { description }),
    ...(condition.ok
      ? { sql: `SELECT 1 AS passed WHERE ${condition.sql}`, row_means: 'pass' as const }
      : { not_applicable: lineFrom(condition.reason, 500) }),
    ...(remediation === undefined ? {} : { remediation }),
    ...(Object.keys(references).length === 0 ? {} : { references }),
  };
}

function conditionOf(one: Readonly<Record<string, unknown>>, { regex, variables }: Context): TranslatedRule {
  const rules: readonly unknown[] = Array.isArray(one['rules']) ? one['rules'] : [];
  if (rules.length === 0) return { ok: false, reason: 'it has no rules' };
  const sqls: string[] = [];
  for (const rule of rules) {
    if (typeof rule !== 'string') return { ok: false, reason: 'a rule is no text' };
    const translated = translateRule(withVariables(rule, variables), regex);
    if (!translated.ok) return translated;
    sqls.push(`(${translated.sql})`);
  }
  switch (one['condition']) {
    case 'all':
      return { ok: true, sql: sqls.join(' AND ') };
    case 'any':
      return { ok: true, sql: sqls.join(' OR ') };
    case 'none':
      return { ok: true, sql: `NOT (${sqls.join(' OR ')})` };
    default:
      return { ok: false, reason: `condition "${lineFrom(wordFrom(one['condition']), 40)}" is not known` };
  }
}

function withVariables(rule: string, variables: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(variables).toSorted((left, right) => right.length - left.length);
  return names.reduce((text, name) => text.replaceAll(name, () => String(variables[name])), rule);
}

function referencesOf(compliance: unknown, subject: string, notes: ImportNote[]): NonNullable<Check['references']> {
  const found: Record<string, string[]> = {};
  const entries = Array.isArray(compliance) ? compliance.filter(isObject).flatMap((map) => Object.entries(map)) : [];
  const dropped = new Set<string>();
  for (const [map, values] of entries) {
    const key = Object.hasOwn(MAPS, map) ? MAPS[map] : undefined;
    if (key === undefined) dropped.add(map);
    else if (Array.isArray(values)) (found[key] ??= []).push(...values.map((value) => lineFrom(String(value), 200)));
  }
  if (dropped.size > 0)
    notes.push({ subject, message: `the maps ${[...dropped].sort().join(', ')} are not taken over` });
  const entriesOfKeys = Object.entries(found).map(([key, values]) => [key, [...new Set(values)].slice(0, 40)] as const);
  return Object.fromEntries(
    entriesOfKeys
      .map(
        ([key, values]) =>
          [key, key === 'mitre' ? values.filter((one) => /^TA?\d{4}(?:\.\d{3})?$/.test(one)) : values] as const,
      )
      .filter(([, values]) => values.length > 0),
  );
}
