import { findAction, isBoundToRows, parseParams, shapesOf } from '@muster/actions';
import { createSqlEngine, findTable, type SqlEngine, TABLES } from '@muster/tables';
import type { Check, Pack } from '../format/pack-schema.js';
import { pathText, type PackDocument, readPack } from '../format/read-pack.js';
import type { Fault, Place, ValuePath } from '../yaml/read-yaml.js';

/** A fault stops a pack from being used; advice does not. */
export interface Finding extends Fault {
  readonly level: 'fault' | 'advice';
}

export interface LintedPack {
  /** Missing when the text is no pack. */
  readonly pack?: Pack;
  /** In the sequence of the text. */
  readonly findings: readonly Finding[];
}

/** Checks packs against the tables and actions of this version. Loads SQLite once; close it when done. */
export class PackLinter {
  readonly #engine: SqlEngine;

  private constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  static async open(): Promise<PackLinter> {
    return new PackLinter(await createSqlEngine({ tables: TABLES }));
  }

  /** The format; that all SQL compiles; that tables are on the platforms, evidence in the result and the action in the catalogue. */
  lint(text: string): LintedPack {
    const read = readPack(text);
    if (!read.ok) return { findings: read.faults.map((fault) => ({ ...fault, level: 'fault' })) };
    const findings = read.pack.checks.flatMap((check, index) => [...this.#check(check, index, read)]);
    return {
      pack: read.pack,
      findings: findings.toSorted((one, other) => one.line - other.line || one.column - other.column),
    };
  }

  /**
   * A check from elsewhere as it can be used here: on the platforms that have its tables, or `not_applicable` with the
   * reason when its SQL does not compile. `note` says what was changed.
   */
  fit(check: Check): { readonly check: Check; readonly note?: string } {
    let platforms = check.platforms;
    for (const sql of [check.applies_if, check.sql]) {
      if (sql === undefined) continue;
      const compiled = this.#engine.compile(sql);
      if (!compiled.ok) return unusable(check, compiled.message);
      platforms = platforms.filter((one) =>
        compiled.tables.every((table) => findTable(table)?.platforms.includes(one) === true),
      );
      if (platforms.length === 0)
        return unusable(
          check,
          `no platform of ${check.platforms.join(', ')} has the tables ${compiled.tables.join(', ')}`,
        );
    }
    if (platforms.length === check.platforms.length) return { check };
    return { check: { ...check, platforms }, note: `only on ${platforms.join(', ')}, where its tables are` };
  }

  close(): void {
    this.#engine.close();
  }

  *#check(check: Check, index: number, { places }: PackDocument): Generator<Finding> {
    const at = (path: ValuePath, message: string, level: Finding['level'] = 'fault'): Finding => {
      const full = ['checks', index, ...path];
      return { ...places.placeOf(full), path: pathText(full), message, level };
    };
    const columns: string[] = [];
    for (const key of ['applies_if', 'sql'] as const) {
      const sql = check[key];
      if (sql === undefined) continue;
      const compiled = this.#engine.compile(sql);
      if (!compiled.ok) {
        yield { ...at([key], compiled.message), ...placeOfFault(places, ['checks', index, key], compiled.position) };
        continue;
      }
      for (const [platform, table] of absentTables(check, compiled.tables))
        yield at([key], `table ${table} does not exist on ${platform}`);
      if (key === 'sql') columns.push(...compiled.columns.map(({ name }) => name));
    }
    if (columns.length > 0) yield* evidenceFindings(check, columns, at);
    if (check.action !== undefined) yield* actionFindings(check, check.action, columns, at);
    if (check.remediation === undefined && check.not_applicable === undefined)
      yield at([], 'has no remediation: say how to mend it', 'advice');
  }
}

function unusable(
  { sql: _sql, row_means: _means, applies_if: _applies, evidence: _evidence, action: _action, ...rest }: Check,
  message: string,
): { check: Check; note: string } {
  const reason = message.replaceAll(/\p{Cc}/gu, ' ').slice(0, 450);
  return { check: { ...rest, not_applicable: `its SQL cannot run here: ${reason}` }, note: reason };
}

type At = (path: ValuePath, message: string, level?: Finding['level']) => Finding;

function placeOfFault(places: PackDocument['places'], path: ValuePath, position: Place | undefined): Place | undefined {
  return position && places.placeInText(path, { line: position.line, column: position.column });
}

function absentTables(check: Check, tables: readonly string[]): [platform: string, table: string][] {
  return check.platforms.flatMap((platform) =>
    tables
      .filter((table) => findTable(table)?.platforms.includes(platform) === false)
      .map((table): [string, string] => [platform, table]),
  );
}

function* evidenceFindings(check: Check, columns: readonly string[], at: At): Generator<Finding> {
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) yield at(['sql'], `the result has two columns called ${twice}; name one with AS`);
  for (const [index, name] of (check.evidence ?? []).entries()) {
    if (!columns.includes(name))
      yield at(['evidence', index], `the result has no column ${name}; it has ${columns.join(', ')}`);
  }
}

function* actionFindings(
  check: Check,
  { name, params = {} }: NonNullable<Check['action']>,
  columns: readonly string[],
  at: At,
): Generator<Finding> {
  const action = findAction(name);
  if (action === undefined || action.hidden === true) {
    yield at(['action', 'name'], `there is no action ${name}`);
    return;
  }
  for (const platform of check.platforms)
    if (!action.platforms.includes(platform)) yield at(['action', 'name'], `${name} does not exist on ${platform}`);
  const bound = isBoundToRows(action, params);
  const parsed = parseParams(action, params, { bound });
  if (!parsed.ok)
    for (const { path, message } of parsed.faults)
      yield at(['action', 'params', path], path === '' ? message : `${path}: ${message}`);
  if (!bound) return;
  if (check.row_means === 'pass') {
    yield at(['action'], `${name} needs a row that names its object, and this check fails without a row`);
    return;
  }
  const shapes = shapesOf(action);
  const fits = (shown: readonly string[]): boolean =>
    shapes.some(({ required }) => required.every((column) => shown.includes(column)));
  const needs = shapes.map(({ table, required }) => `${table} (${required.join(', ')})`).join(' or ');
  if (!fits(columns)) yield at(['action'], `${name} needs these columns in the result: ${needs}`);
  // Who mends what a scan found has the evidence, and nothing else of the result.
  else if (!fits(check.evidence ?? columns))
    yield at(
      ['action'],
      `a scan can be mended with ${name} only with these columns in the evidence: ${needs}`,
      'advice',
    );
}
