import { type Check, PACK_LIMITS } from '../format/pack-schema.js';
import { readYaml } from '../yaml/read-yaml.js';
import {
  idFrom,
  type ImportedChecks,
  type ImportNote,
  isObject,
  lineFrom,
  type SourceFile,
  wordFrom,
} from './imported.js';
import { NoteTaker } from './note-taker.js';
import { translateRule, type TranslatedRule } from './wazuh-rule.js';

type ReferenceKey = keyof NonNullable<Check['references']>;

/** Compliance maps of Wazuh → keys of references. */
const MAPS: Readonly<Record<string, ReferenceKey>> = {
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
  const notes: ImportNote[] = [];
  const taker = new NoteTaker(file, notes);
  const context: Context = {
    regex: policy['regex_type'] === 'pcre2' ? 'pcre2' : 'osregex',
    variables: isObject(value['variables']) ? value['variables'] : {},
    platforms: platformsOf([file, policy, value['requirements']], taker),
    notes,
  };
  taker.keys(value, POLICY_KEYS);
  const appliesIf = isObject(value['requirements']) ? conditionOf(value['requirements'], context) : undefined;
  if (appliesIf?.ok === false) notes.push({ subject: 'requirements', message: appliesIf.reason });
  const entries = value['checks'].filter(isObject);
  taker.others(value['checks'], entries, '"checks"');
  const checks = entries.map((one) => checkOf(one, context));
  const usable =
    appliesIf?.ok === true
      ? new NoteTaker('requirements', notes).statement(`SELECT 1 AS applies WHERE ${appliesIf.sql}`, '')
      : undefined;
  return {
    checks: checks.map((check) =>
      usable === undefined || check.sql === undefined ? check : { ...check, applies_if: usable },
    ),
    notes,
  };
}

const POLICY_KEYS = new Set(['policy', 'requirements', 'variables', 'checks']);
/** Keys of a check that are taken over. */
const CHECK_KEYS = new Set(
  'id title description rationale remediation compliance references condition rules'.split(' '),
);

/** The format does not name the platform; names and requirements of policies do. */
function platformsOf(words: readonly unknown[], taker: NoteTaker): Check['platforms'] {
  const text = JSON.stringify(words);
  if (/mac[ _-]?os|os[ _-]x|darwin|sw_vers|SystemVersion\.plist/i.test(text)) return ['darwin'];
  if (/windows|[^a-z]win\d|HKEY_|HKLM/i.test(text)) return ['windows'];
  if (!/linux|unix|debian|ubuntu|centos|red ?hat|rhel|suse|sles|alma|rocky|fedora|amazon|oracle|\/etc\//i.test(text))
    taker.note('does not say for which platform it is; its checks are taken for Linux');
  return ['linux'];
}

interface Context {
  readonly regex: 'osregex' | 'pcre2';
  readonly variables: Readonly<Record<string, unknown>>;
  readonly platforms: Check['platforms'];
  readonly notes: ImportNote[];
}

function checkOf(one: Readonly<Record<string, unknown>>, context: Context): Check {
  const id = idFrom(`wazuh-${wordFrom(one['id'] ?? one['title'])}`);
  const taker = new NoteTaker(id, context.notes);
  taker.keys(one, CHECK_KEYS);
  const description = taker.text(
    [one['description'], one['rationale']].filter((part) => typeof part === 'string').join('\n\n'),
    'its description',
  );
  const remediation = taker.text(one['remediation'], 'its remediation');
  const references = referencesOf(one, taker);
  const condition = statementOf(conditionOf(one, context));
  const usesRegistry =
    JSON.stringify(one['rules'] ?? '').includes('r:HKEY') || JSON.stringify(one['rules'] ?? '').includes('r:HKLM');
  if (!condition.ok) taker.note(condition.reason);
  return {
    id,
    title: taker.title(wordFrom(one['title'])) || id,
    severity: 'medium',
    platforms: usesRegistry ? ['windows'] : context.platforms,
    ...(description === undefined ? {} : { description }),
    ...(condition.ok
      ? { sql: condition.sql, row_means: 'pass' as const }
      : { not_applicable: lineFrom(condition.reason, 500) }),
    ...(remediation === undefined ? {} : { remediation }),
    ...(Object.keys(references).length === 0 ? {} : { references }),
  };
}

/** The beginning of a statement would say something else. */
function statementOf(condition: TranslatedRule): TranslatedRule {
  if (!condition.ok) return condition;
  const sql = `SELECT 1 AS passed WHERE ${condition.sql}`;
  if (sql.length <= PACK_LIMITS.sqlLength) return { ok: true, sql };
  return {
    ok: false,
    reason: `its rules make a statement of ${sql.length} characters, more than ${PACK_LIMITS.sqlLength}`,
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

function referencesOf(one: Readonly<Record<string, unknown>>, taker: NoteTaker): NonNullable<Check['references']> {
  const { compliance, references } = one;
  const lists: readonly unknown[] = Array.isArray(compliance) ? compliance : [];
  if (compliance !== undefined && !Array.isArray(compliance)) taker.note('its compliance is no list');
  const maps = lists.filter(isObject);
  taker.others(lists, maps, '"compliance"');
  const found = new Map<ReferenceKey, unknown[]>();
  const add = (key: ReferenceKey, values: unknown): void => {
    found.set(key, (found.get(key) ?? []).concat(values));
  };
  const dropped = new Set<string>();
  for (const [map, values] of maps.flatMap((all) => Object.entries(all))) {
    const key = Object.hasOwn(MAPS, map) ? MAPS[map] : undefined;
    if (key === undefined) dropped.add(map);
    else add(key, values);
  }
  if (dropped.size > 0) taker.note(`the maps ${[...dropped].sort().join(', ')} are not taken over`);
  // Several addresses may stand in one text.
  if (references !== undefined && references !== null)
    add(
      'url',
      [references]
        .flat()
        .flatMap((one): unknown[] => (typeof one === 'string' ? one.split(/\s+/).filter(Boolean) : [one])),
    );
  return Object.fromEntries(
    [...found]
      .map(([key, values]) => [key, taker.references(values, key)] as const)
      .filter(([, values]) => values.length > 0),
  );
}
