import type { VexStatement } from '../feed/vex-statement.js';
import type { AdvisoryMatch, InstalledPackage, PackageVerdict } from './match-package.js';

export interface SuppressedMatch extends AdvisoryMatch {
  readonly statement: VexStatement;
}

export interface StatedVerdict extends PackageVerdict {
  /** Matches that do not count, with the statement that says so. */
  readonly suppressed: readonly SuppressedMatch[];
}

/** Statements that hold, found by what they are about: however many there are for one package, a look costs the same. */
export class StatementIndex {
  readonly #byAbout = new Map<string, VexStatement>();
  readonly #nowMs: number;

  /** Only those count that end after `nowMs`. */
  constructor(nowMs: number, statements: Iterable<VexStatement> = []) {
    this.#nowMs = nowMs;
    for (const one of statements) this.add(one);
  }

  /** Of several about the same the one that ends last counts. */
  add(statement: VexStatement): void {
    const untilMs = Date.parse(statement.until);
    if (!(untilMs > this.#nowMs)) return;
    const { ecosystem, name, version } = statement.package;
    const key = aboutKey(statement.vulnerability, name, ecosystem, version);
    const known = this.#byAbout.get(key);
    if (known === undefined || Date.parse(known.until) < untilMs) this.#byAbout.set(key, statement);
  }

  find(vulnerability: string, { ecosystem, name, version }: InstalledPackage): VexStatement | undefined {
    for (const itsEcosystem of [ecosystem, undefined])
      for (const itsVersion of [version, undefined]) {
        const found = this.#byAbout.get(aboutKey(vulnerability, name, itsEcosystem, itsVersion));
        if (found !== undefined) return found;
      }
    return undefined;
  }
}

/** Takes matches out of a verdict for which a statement holds. Advisories that are unclear stay unclear. */
export function applyStatements(
  verdict: PackageVerdict,
  installed: InstalledPackage,
  statements: StatementIndex,
): StatedVerdict {
  const matches: AdvisoryMatch[] = [];
  const suppressed: SuppressedMatch[] = [];
  for (const match of verdict.matches) {
    const statement = statementOf(match, installed, statements);
    if (statement === undefined) matches.push(match);
    else suppressed.push({ ...match, statement });
  }
  if (suppressed.length === 0 || matches.length > 0) return { ...verdict, matches, suppressed };
  // What the feed does not know is not known, also where everything that it does know is suppressed.
  const { unclear, otherwise = { answer: 'not_known' as const } } = verdict;
  return { ...otherwise, matches, unclear, suppressed };
}

function statementOf(
  { advisory }: AdvisoryMatch,
  installed: InstalledPackage,
  statements: StatementIndex,
): VexStatement | undefined {
  for (const name of [advisory.id, ...advisory.aliases]) {
    const found = statements.find(name, installed);
    if (found !== undefined) return found;
  }
  return undefined;
}

function aboutKey(vulnerability: string, name: string, ecosystem?: string, version?: string): string {
  return JSON.stringify([vulnerability, name, ecosystem, version]);
}
