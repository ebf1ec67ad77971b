import type { PostureReply, PostureRequest, ScanReader, VulnerabilitySummary } from '@muster/messages';
import { AppError, EMPTY_LEDGER, joinSelectors, newQueryId } from '@muster/protocol';
import type { FeedRecord, ScanRecord, VulnerabilityScanRecord } from '@muster/records';

const AFFECTED = { ecosystem: 'Debian:12', name: 'curl', version: '7.88.1-10', fixed: '7.88.1-10+deb12u1' };

/** Behaves as a posture service does about feeds and vulnerabilities. Each org has one feed. */
export class FakeVulnerabilities {
  readonly #scans: VulnerabilityScanRecord[] = [];

  make(made: Pick<ScanRecord, 'org' | 'operator' | 'operatorName' | 'scope' | 'selector'>, asked?: string): string {
    const nowMs = Date.now();
    const counts = { critical: 1, high: 0, medium: 0, low: 0, none: 0, unknown: 0 };
    const query = newQueryId(nowMs);
    const scan: VulnerabilityScanRecord = {
      ...{
        ...made,
        id: asked ?? `v${newQueryId(nowMs).slice(1)}`,
        state: 'complete',
        createdAtMs: nowMs,
        endedAtMs: nowMs,
      },
      questions: [{ kind: 'system', query, state: 'complete', ledger: EMPTY_LEDGER }],
      report: {
        ...{ feeds: [], packages: { vulnerable: 1, not_vulnerable: 0, not_known: 0 }, vulnerabilities: counts },
        ...{ knownExploited: 0, suppressed: 0, notKnown: [], attempt: 'a', blocks: 1 },
      },
    };
    this.#scans.push(scan);
    return scan.id;
  }

  reply(request: PostureRequest): PostureReply {
    switch (request.t) {
      case 'list_feeds':
        return { t: 'feeds', feeds: [{ ...feedOf(request), ecosystems: 1 }] };
      case 'show_feed':
      case 'end_feed':
        return { t: 'feed', feed: feedOf(request), versions: [] };
      case 'begin_feed':
        return { t: 'feed_begun', upload: newQueryId(Date.now()).slice(1) };
      case 'store_feed_part':
        return { t: 'feed_part', counts: { records: 1, withdrawn: 0, refused: 0, faults: [] } };
      case 'delete_feed':
        return { t: 'feed_deleted' };
      case 'start_vulnerability_scan': {
        const { org, operator, operatorName, selector, bound } = request;
        const made = { org, operator, operatorName, selector, scope: joinSelectors(selector, bound) };
        const isKnown = this.#scans.some((one) => one.org === org && one.id === request.id);
        const id = isKnown && request.id !== undefined ? request.id : this.make(made, request.id);
        return { t: 'vulnerability_scan', record: this.#find(request, id) };
      }
      case 'list_vulnerability_scans':
        return { t: 'vulnerability_scans', scans: this.#seen(request) };
      case 'show_vulnerability_scan': {
        const found = this.#seen(request).find(({ id }) => id === request.scan);
        if (found === undefined) return problem(`there is no scan ${request.scan}`);
        return { t: 'vulnerability_scan', record: found };
      }
      case 'list_vulnerabilities': {
        const [scan] = this.#seen(request);
        if (scan === undefined) return { t: 'vulnerabilities', total: 0, items: [] };
        return { t: 'vulnerabilities', scan: scan.id, total: 1, items: [summaryOf(scan)] };
      }
      case 'show_vulnerability': {
        const [scan] = this.#seen(request);
        if (scan === undefined || request.id !== idOf(scan)) return problem(`no scan found ${request.id}`);
        const counts = { endpointsAtLeast: 1, endpointsAtMost: 1 };
        const affected = [{ ...AFFECTED, advisories: ['DSA-1-1'], ...counts, sample: [1] }];
        return { t: 'vulnerability', scan, summary: summaryOf(scan), affected, isCut: false };
      }
      default:
        return problem(`nobody knows ${request.t}`);
    }
  }

  #find(request: PostureRequest, id: string): VulnerabilityScanRecord {
    const found = this.#seen({ org: request.org }).find((one) => one.id === id);
    if (found === undefined) throw new AppError('not_found', id);
    return found;
  }

  #seen({ org, reader }: { readonly org: ScanRecord['org']; readonly reader?: ScanReader }): VulnerabilityScanRecord[] {
    return this.#scans
      .filter((scan) => scan.org === org && (reader === undefined || scan.operator === reader.operator))
      .toReversed();
  }
}

/** Each site has one of its own. */
function idOf({ operatorName }: VulnerabilityScanRecord): string {
  return operatorName === 'two' ? 'CVE-2026-2' : 'CVE-2026-1';
}

function problem(message: string): PostureReply {
  return { t: 'problem', code: 'not_found', message, details: {} };
}

function summaryOf(scan: VulnerabilityScanRecord): VulnerabilitySummary {
  return {
    ...{ id: idOf(scan), summary: `of ${scan.operatorName}`, severity: 'critical', advisories: ['DSA-1-1'] },
    ...{ fixable: true, packages: 1, endpointsAtLeast: 1, endpointsAtMost: 1 },
  };
}

function feedOf({ org }: PostureRequest): FeedRecord {
  return {
    ...{ t: 'feed', org, name: 'debian', kind: 'osv', upload: '0'.repeat(26), parts: 1, records: 1, withdrawn: 0 },
    ...{
      refused: 0,
      faults: [],
      bytes: 1,
      ecosystems: ['Debian:12'],
      by: { id: 'x', name: `admin of ${org}` },
      atMs: 0,
    },
  };
}
