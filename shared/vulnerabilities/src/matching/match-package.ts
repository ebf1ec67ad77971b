import type { Advisory, VulnerabilityIndex } from '../feed/vulnerability-index.js';
import { compareSemantic, type VersionOrder, versionOrder } from '../versions/version-order.js';

/** A package as its ecosystem names it: for Debian and the like the source package with its version. */
export interface InstalledPackage {
  /** Of OSV, such as `Debian:12`. */
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
  /**
   * `other`: of another vendor than the distribution, so that its feed does not speak of it. `unclear`: nothing shows
   * that it is the distribution's; then a feed that does not name it may not know it.
   */
  readonly origin?: 'other' | 'unclear';
}

/** What the feed says of a version. What it does not say is `not_known`, never `not_vulnerable`. */
export type Answer = 'vulnerable' | 'not_vulnerable' | 'not_known';

export interface AdvisoryMatch {
  readonly advisory: Advisory;
  /** The first version without it, where there is one. */
  readonly fixed?: string;
}

export interface PackageVerdict {
  readonly answer: Answer;
  readonly matches: readonly AdvisoryMatch[];
  /** Advisories of which it cannot be said whether they apply. */
  readonly unclear: readonly Advisory[];
  /** Why something is not known. */
  readonly reason?: string;
  /** What it would be without its matches: none of them may count. */
  readonly otherwise?: Pick<PackageVerdict, 'answer' | 'reason'>;
}

/** Compares one installed package with the index. */
export function matchPackage(index: VulnerabilityIndex, installed: InstalledPackage): PackageVerdict {
  const { ecosystem, name, version } = installed;
  const order = versionOrder(ecosystem);
  const matches: AdvisoryMatch[] = [];
  const unclear: Advisory[] = [];
  for (const advisory of index.advisories(ecosystem, name)) {
    const answer = answerOf(advisory, version, order);
    if (answer === 'vulnerable') matches.push(matchOf(advisory, version, order));
    if (answer === 'not_known') unclear.push(advisory);
  }
  const otherwise = withoutMatch(index, installed, unclear);
  if (matches.length > 0) return { answer: 'vulnerable', matches, unclear, otherwise };
  return { ...otherwise, matches, unclear };
}

function withoutMatch(
  index: VulnerabilityIndex,
  { ecosystem, name, version, origin }: InstalledPackage,
  unclear: readonly Advisory[],
): Pick<PackageVerdict, 'answer' | 'reason'> {
  if (!index.covers(ecosystem)) return unknown(notCovered(index, ecosystem));
  const order = versionOrder(ecosystem);
  const isVersion = order === undefined || order(version, version) === 0;
  if (!isVersion) return unknown(`"${version}" is no version of ${ecosystem}`);
  if (unclear.length > 0) return unknown(`the versions of ${unclear.length} records cannot be compared`);
  if (!index.isComplete(ecosystem)) return unknown('the feed could not be read as a whole');
  // A feed names only what was vulnerable once: of the distribution's own packages, that is an answer.
  if (origin === 'other') return unknown('it is of another vendor, of whose packages the feed does not speak');
  if (origin === 'unclear' && index.advisories(ecosystem, name).length === 0)
    return unknown('nothing shows that it is of the distribution, and the feed does not name it');
  return { answer: 'not_vulnerable' };
}

function notCovered(index: VulnerabilityIndex, ecosystem: string): string {
  const none = `the feed has no records of ${ecosystem}`;
  return index.mentions(ecosystem) ? `${none} alone: it is named beside others only, which may not be all of it` : none;
}

function unknown(reason: string): Pick<PackageVerdict, 'answer' | 'reason'> {
  return { answer: 'not_known', reason };
}

function answerOf({ versions, ranges }: Advisory, version: string, order: VersionOrder | undefined): Answer {
  if (versions.includes(version)) return 'vulnerable';
  // Commits cannot be compared; a list of versions beside them says what they mean.
  const usable = ranges.filter(({ type }) => type !== 'GIT');
  if (usable.length === 0) return versions.length > 0 ? 'not_vulnerable' : 'not_known';
  const answers = usable.map(({ type, events }) =>
    inRange(events, version, type === 'SEMVER' ? compareSemantic : order),
  );
  if (answers.includes('vulnerable')) return 'vulnerable';
  return answers.includes('not_known') ? 'not_known' : 'not_vulnerable';
}

type Events = Advisory['ranges'][number]['events'];

/** The algorithm of the OSV schema, "Evaluation": events in the order of their versions, each turns it on or off. */
function inRange(events: Events, version: string, order: VersionOrder | undefined): Answer {
  if (order === undefined || events.length === 0) return 'not_known';
  const marks: { at: string; kind: 'introduced' | 'fixed' | 'last_affected' }[] = [];
  let isBeforeLimit: boolean | undefined;
  for (const { introduced, fixed, last_affected, limit } of events) {
    if (introduced !== undefined) marks.push({ at: introduced, kind: 'introduced' });
    if (fixed !== undefined) marks.push({ at: fixed, kind: 'fixed' });
    if (last_affected !== undefined) marks.push({ at: last_affected, kind: 'last_affected' });
    if (limit === undefined) continue;
    const place = limit === '*' ? -1 : order(version, limit);
    if (place === undefined) return 'not_known';
    isBeforeLimit = isBeforeLimit === true || place < 0;
  }
  if (isBeforeLimit === false) return 'not_vulnerable';
  if (!marks.some(({ kind }) => kind === 'introduced')) return 'not_known';
  // "0" is before every version, in every ecosystem.
  const compare = (one: string, other: string): number | undefined => {
    if (one === '0' || other === '0') return Number(other === '0') - Number(one === '0');
    return order(one, other);
  };
  for (const { at } of marks) if (compare(version, at) === undefined) return 'not_known';
  let vulnerable = false;
  for (const { at, kind } of marks.toSorted((one, other) => compare(one.at, other.at) ?? 0)) {
    const place = compare(version, at) ?? 0;
    if (kind === 'introduced' && place >= 0) vulnerable = true;
    if (kind === 'fixed' && place >= 0) vulnerable = false;
    if (kind === 'last_affected' && place > 0) vulnerable = false;
  }
  return vulnerable ? 'vulnerable' : 'not_vulnerable';
}

/** The lowest fixed version above the installed one. */
function matchOf(advisory: Advisory, version: string, order: VersionOrder | undefined): AdvisoryMatch {
  const above = advisory.ranges.flatMap(({ type, events }) => {
    const compare = type === 'SEMVER' ? compareSemantic : order;
    if (type === 'GIT' || compare === undefined) return [];
    return events.flatMap(({ fixed }) => {
      if (fixed === undefined || (compare(version, fixed) ?? 0) >= 0) return [];
      return [{ fixed, compare }];
    });
  });
  const [first] = above.toSorted((one, other) => one.compare(one.fixed, other.fixed) ?? 0);
  return { advisory, ...(first === undefined ? {} : { fixed: first.fixed }) };
}
