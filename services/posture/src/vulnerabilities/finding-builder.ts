import { VULNERABILITY_SEVERITIES, type VulnerabilitySeverity } from '@muster/protocol';
import type { AffectedPackage, VulnerabilityFinding } from '@muster/records';
import { type AdvisoryMatch, compareVersions, type EpssRecord, type KevRecord } from '@muster/vulnerabilities';

interface Building {
  summary?: string;
  cvss?: { readonly score: number; readonly vector: string };
  severity: VulnerabilitySeverity;
  epss?: NonNullable<VulnerabilityFinding['epss']>;
  exploited?: NonNullable<VulnerabilityFinding['exploited']>;
  /** By package, version and whether it is suppressed. */
  readonly affected: Map<string, AffectedPackage>;
}

/** Pairs of vulnerability and package that one scan tells. */
const MAX_PAIRS = 200_000;
/** Packages and versions that have one vulnerability. */
const MAX_AFFECTED = 4_000;
const CVE = /^CVE-\d{4}-\d{1,19}$/;
/** Names of one record: a kernel's advisory has hundreds. */
const MAX_NAMES = 1_000;
/** Records that are told of one package and vulnerability. */
const MAX_ADVISORIES = 100;

/** Gathers matches by vulnerability: by CVE id where records name one, so that two records of one CVE are one vulnerability. */
export class FindingBuilder {
  cut: string | undefined;
  readonly #found = new Map<string, Building>();
  #pairs = 0;

  add({ advisory }: AdvisoryMatch, affected: AffectedPackage): void {
    const names = [advisory.id, ...advisory.aliases].filter((name) => CVE.test(name)).slice(0, MAX_NAMES);
    for (const id of names.length === 0 ? [advisory.id] : new Set(names)) {
      const found = this.#found.get(id) ?? { severity: 'unknown', affected: new Map<string, AffectedPackage>() };
      if (!this.#addPair(found, affected)) continue;
      this.#found.set(id, found);
      const { score, summary } = advisory;
      // Of several records the worst counts.
      if (score !== undefined && score.score > (found.cvss?.score ?? -1)) {
        found.cvss = { score: score.score, vector: score.vector };
        found.severity = score.rating;
      }
      if (summary !== undefined) found.summary ??= summary;
    }
  }

  addEpss({ cve, epss, percentile }: EpssRecord): void {
    const found = this.#found.get(cve);
    if (found !== undefined) found.epss = { probability: epss, percentile };
  }

  addExploited({ cveID, dateAdded, dueDate, knownRansomwareCampaignUse }: KevRecord): void {
    const found = this.#found.get(cveID);
    if (found === undefined) return;
    const ransomware = knownRansomwareCampaignUse?.toLowerCase() === 'known';
    found.exploited = { dateAdded, ransomware, ...(dueDate === undefined ? {} : { dueDate }) };
  }

  /** Vulnerabilities of which every package is suppressed. */
  get suppressed(): number {
    return [...this.#found.values()].filter(isSuppressed).length;
  }

  /** Those to look at first at the beginning; suppressed ones last. */
  all(): VulnerabilityFinding[] {
    const all = [...this.#found].map(([id, { affected, ...rest }]) => ({
      ...{ id, ...rest },
      affected: [...affected.values()].toSorted((one, other) => other.endpointsAtMost - one.endpointsAtMost),
    }));
    return all.toSorted(byUrgency);
  }

  #addPair(found: Building, affected: AffectedPackage): boolean {
    // Endpoints choose names and versions.
    const key = JSON.stringify([affected.ecosystem, affected.name, affected.version]);
    const known = found.affected.get(key);
    if (known === undefined) {
      if (this.#pairs >= MAX_PAIRS || found.affected.size >= MAX_AFFECTED) {
        this.cut = `more than ${MAX_PAIRS} pairs of vulnerability and package, or ${MAX_AFFECTED} packages of one vulnerability`;
        return false;
      }
      this.#pairs += 1;
      found.affected.set(key, affected);
      return true;
    }
    // One record of a CVE may be suppressed and another not: then it counts.
    const base = known.suppressed === undefined ? known : affected.suppressed === undefined ? affected : known;
    const { fixed: _fixed, ...rest } = base;
    const fixed = laterOf(known, affected);
    found.affected.set(key, {
      ...rest,
      advisories:
        known.advisories.length >= MAX_ADVISORIES
          ? known.advisories
          : [...new Set([...known.advisories, ...affected.advisories])],
      ...(fixed === undefined ? {} : { fixed }),
    });
    return true;
  }
}

/** Of two records of one CVE, the version that both call fixed; none where one of them knows none. */
function laterOf(one: AffectedPackage, other: AffectedPackage): string | undefined {
  if (one.fixed === undefined || other.fixed === undefined) return undefined;
  return (compareVersions(one.ecosystem, one.fixed, other.fixed) ?? 0) < 0 ? other.fixed : one.fixed;
}

function isSuppressed({ affected }: { readonly affected: Building['affected'] }): boolean {
  for (const { suppressed } of affected.values()) if (suppressed === undefined) return false;
  return true;
}

type Urgency = Omit<VulnerabilityFinding, 'affected'> & { readonly affected: readonly AffectedPackage[] };

function byUrgency(one: Urgency, other: Urgency): number {
  return (
    Number(other.exploited !== undefined) - Number(one.exploited !== undefined) ||
    (other.epss?.probability ?? 0) - (one.epss?.probability ?? 0) ||
    (other.cvss?.score ?? -1) - (one.cvss?.score ?? -1) ||
    VULNERABILITY_SEVERITIES.indexOf(one.severity) - VULNERABILITY_SEVERITIES.indexOf(other.severity) ||
    endpointsOf(other) - endpointsOf(one) ||
    (one.id < other.id ? -1 : 1)
  );
}

function endpointsOf({ affected }: Urgency): number {
  return affected.reduce((most, { endpointsAtMost }) => Math.max(most, endpointsAtMost), 0);
}
