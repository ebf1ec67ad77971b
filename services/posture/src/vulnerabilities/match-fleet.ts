import type {
  AffectedPackage,
  AnswerCounts,
  FeedPart,
  FeedRecord,
  NotKnown,
  VulnerabilityFinding,
} from '@muster/records';
import {
  applyStatements,
  epssSchema,
  kevSchema,
  matchPackage,
  type OsvRecord,
  packageKey,
  type PackageVerdict,
  type StatedVerdict,
  StatementIndex,
  vexStatementSchema,
  VulnerabilityIndex,
} from '@muster/vulnerabilities';
import { recordsOf } from '../feeds/read-part.js';
import { FindingBuilder } from './finding-builder.js';
import type { FleetPackage, Inventory } from './inventory.js';
import { NotKnownBuilder, type WarnedQuestion } from './not-known.js';

export interface MatchOptions {
  readonly inventory: Inventory;
  readonly feeds: readonly FeedRecord[];
  readonly parts: (feed: FeedRecord) => AsyncIterable<FeedPart>;
  readonly nowMs: number;
  /** Endpoints that answered. */
  readonly answered: number;
  /** Endpoints whose answers lacked something, by question. */
  readonly warned?: readonly WarnedQuestion[];
}

export interface MatchResult {
  readonly findings: readonly VulnerabilityFinding[];
  readonly packages: AnswerCounts;
  readonly notKnown: readonly NotKnown[];
  readonly suppressed: number;
  readonly truncated?: string;
}

/** Packages between two looks at the event loop. */
const AT_ONCE = 500;

/**
 * Compares the software of a fleet with feeds. Of records only those stay in memory that name a package of the fleet;
 * of EPSS and KEV only those of vulnerabilities that were found.
 * @throws FeedChanged when a version was replaced while it was read
 */
export async function matchFleet({
  inventory,
  feeds,
  parts,
  nowMs,
  answered,
  warned = [],
}: MatchOptions): Promise<MatchResult> {
  const read = (kind: FeedRecord['kind']) =>
    readFeeds(
      feeds.filter((feed) => feed.kind === kind),
      parts,
    );
  const index = await indexOf(
    inventory,
    feeds.filter(({ kind }) => kind === 'osv'),
    parts,
  );
  const names = new Set([...inventory.packages.values()].map(({ name }) => name));
  const statements = new StatementIndex(nowMs);
  for await (const text of read('vex')) {
    const statement = vexStatementSchema.parse(JSON.parse(text));
    if (names.has(statement.package.name)) statements.add(statement);
  }
  const findings = new FindingBuilder();
  const notKnown = new NotKnownBuilder();
  const packages = { vulnerable: 0, not_vulnerable: 0, not_known: 0 };
  let count = 0;
  for (const one of inventory.packages.values()) {
    const verdict = applyStatements(matchPackage(index, one), one, statements);
    packages[verdict.answer] += 1;
    if (verdict.answer === 'not_known') notKnown.addPackage(one, verdict.reason ?? 'its versions cannot be compared');
    for (const match of verdict.matches) findings.add(match, affectedOf(one, match));
    for (const match of verdict.suppressed) findings.add(match, suppressedOf(one, match));
    if ((count += 1) % AT_ONCE === 0) await new Promise(setImmediate);
  }
  notKnown.addHosts(inventory);
  notKnown.addKernels(inventory);
  for (const one of warned) notKnown.addWarned(one);
  for await (const text of read('epss')) findings.addEpss(epssSchema.parse(JSON.parse(text)));
  for await (const text of read('kev')) findings.addExploited(kevSchema.parse(JSON.parse(text)));
  const truncated = inventory.cut ?? findings.cut;
  return {
    ...{ findings: findings.all(), packages, notKnown: notKnown.all(answered), suppressed: findings.suppressed },
    ...(truncated === undefined ? {} : { truncated }),
  };
}

/** A version was replaced while it was read: what is kept of it is not all. */
export class FeedChanged extends Error {
  override readonly name = 'FeedChanged';
}

async function indexOf(
  inventory: Inventory,
  feeds: readonly FeedRecord[],
  parts: MatchOptions['parts'],
): Promise<VulnerabilityIndex> {
  const names = inventory.names();
  const index = new VulnerabilityIndex({ wants: (ecosystem, name) => names.has(packageKey(ecosystem, name)) });
  // What could not be read of a feed may be about any of its ecosystems.
  for (const feed of feeds) if (feed.refused > 0) index.markIncomplete(feed.ecosystems);
  for await (const text of readFeeds(feeds, parts)) index.add(JSON.parse(text) as OsvRecord);
  return index;
}

async function* readFeeds(feeds: readonly FeedRecord[], parts: MatchOptions['parts']): AsyncGenerator<string> {
  for (const feed of feeds) {
    const seen = new Set<number>();
    for await (const part of parts(feed)) {
      if (seen.has(part.index)) continue;
      seen.add(part.index);
      yield* recordsOf(part);
      await new Promise(setImmediate);
    }
    if (seen.size !== feed.parts)
      throw new FeedChanged(
        `of the feed ${feed.name} not all parts are kept: it was replaced a moment ago, or has to be imported again`,
      );
  }
}

function affectedOf(one: FleetPackage, { advisory, fixed }: PackageVerdict['matches'][number]): AffectedPackage {
  const { ecosystem, name, version, endpointsAtLeast, endpointsAtMost, sample } = one;
  return {
    ...{ ecosystem, name, version, advisories: [advisory.id], endpointsAtLeast, endpointsAtMost, sample },
    ...(fixed === undefined ? {} : { fixed }),
  };
}

function suppressedOf(one: FleetPackage, match: StatedVerdict['suppressed'][number]): AffectedPackage {
  const { status, justification, reason, until } = match.statement;
  return {
    ...affectedOf(one, match),
    suppressed: { status, reason, until, ...(justification === undefined ? {} : { justification }) },
  };
}
