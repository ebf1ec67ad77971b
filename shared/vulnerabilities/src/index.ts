/**
 * Which installed packages have known vulnerabilities, by OSV records. Three answers: vulnerable, not, not known.
 * Matching is pure and knows no endpoint: equal packages are looked at once. Versions are compared as the package
 * manager does, on the source package where OSV names sources.
 */
export { compareDebianVersions } from './versions/debian-version.js';
export { compareRpmVersions } from './versions/rpm-version.js';
export { compareVersions, type VersionOrder, versionOrder } from './versions/version-order.js';
export { OSV_LIMITS, type OsvRecord, parseOsvRecord } from './feed/osv-record.js';
export {
  type EpssRecord,
  epssSchema,
  type KeptRecord,
  type KevRecord,
  kevSchema,
  readFeedRecord,
  type ReadRecord,
} from './feed/feed-record.js';
export { type Score, scoreOf, scoreOfVector } from './feed/severity.js';
export { type RecordText, splitRecords } from './feed/split-records.js';
export {
  type Advisory,
  type FeedCounts,
  type IndexOptions,
  packageKey,
  VulnerabilityIndex,
} from './feed/vulnerability-index.js';
export {
  type DebianRow,
  debianPackages,
  ecosystemOf,
  type HostSystem,
  type RpmRow,
  rpmPackages,
} from './matching/installed-packages.js';
export {
  type AdvisoryMatch,
  type Answer,
  type InstalledPackage,
  matchPackage,
  type PackageVerdict,
} from './matching/match-package.js';
export { applyStatements, type StatedVerdict, StatementIndex, type SuppressedMatch } from './matching/exceptions.js';
export { type VexStatement, vexStatementSchema } from './feed/vex-statement.js';
export { readOpenVex, type ReadVex, type VexOptions } from './matching/open-vex.js';
