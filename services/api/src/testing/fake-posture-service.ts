import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import type { Bus, BusMessage, BusSubscription } from '@muster/bus';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type PostureReply,
  type PostureRequest,
  type ProposalSummary,
} from '@muster/messages';
import { EMPTY_LEDGER, joinSelectors, newQueryId, type OrgId } from '@muster/protocol';
import type { PackReference, QueryRecord, ScanRecord } from '@muster/records';
import { FakeDecisions } from './fake-decisions.js';
import { FakeVulnerabilities } from './fake-vulnerabilities.js';
import type { FakeQueryService } from './fake-query-service.js';

export const PACK: PackReference = {
  ...{ id: 'baseline', version: '1.0.0', hash: 'a'.repeat(64), checks: 1 },
  ...{ jws: 'j', keys: 'k' },
};

const PACK_TEXT = `kind: muster/pack
format: 1
id: baseline
version: 1.0.0
title: Baseline
checks:
  - { id: one, title: One, severity: high, platforms: [linux], sql: SELECT 1, row_means: fail }
`;

export const PACK_DIGEST = createHash('sha256').update(PACK_TEXT).digest('hex');

function proposalOf(org: OrgId): ProposalSummary {
  const { id, version, hash, checks } = PACK;
  const by = { id: 'x', name: `admin of ${org}` };
  return {
    org,
    id,
    version,
    hash,
    checks,
    title: `Baseline of ${org}`,
    by,
    digest: PACK_DIGEST,
    why: 'policy',
    atMs: 0,
  };
}

type QueryKeeper = Pick<FakeQueryService, 'keep' | 'emit' | 'end' | 'coordinatorId'>;

/** Behaves towards the API as a posture service does. Each org has one pack. */
export class FakePostureService {
  readonly asked: PostureRequest[] = [];
  readonly scans: ScanRecord[] = [];
  readonly decisions = new FakeDecisions();
  readonly #vulnerable = new FakeVulnerabilities();
  readonly #service: QueryKeeper;
  readonly #subscription: BusSubscription;

  constructor({ bus }: { readonly bus: Bus }, service: QueryKeeper) {
    this.#service = service;
    const answer = ({ data, reply }: BusMessage): void => {
      const request = decodeServiceMessage<PostureRequest>(data);
      this.asked.push(request);
      void this.#reply(request).then((answered) => reply?.(encodeBusMessage(answered)));
    };
    this.#subscription = bus.subscribe(SUBJECTS.posture, answer, { queue: 'posture' });
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }

  /** A scan that has ended, and what it found. */
  async makeScan(made: Pick<ScanRecord, 'org' | 'operator' | 'operatorName' | 'scope' | 'selector'>): Promise<string> {
    const query = await this.#service.end(await this.#query(made));
    const { id, org, operator, operatorName, scope, selector, createdAtMs, ledger } = query;
    const check = { id: 'one', title: `of ${made.operatorName}`, severity: 'high', fail: 1, uncounted: 0 };
    this.scans.push({
      ...{ id, org, operator, operatorName, scope, selector, createdAtMs, endedAtMs: createdAtMs, ledger },
      ...{ mode: 'group', state: 'complete', offline: 0, score: 50 },
      pack: { id: PACK.id, version: PACK.version, hash: PACK.hash, title: 'Baseline' },
      checks: [{ ...check, pass: 1, error: 0, not_applicable: 0, over_budget: 0 }],
    });
    return id;
  }

  /** A scan for vulnerabilities that has ended, and what it found. */
  makeVulnerabilityScan(made: Pick<ScanRecord, 'org' | 'operator' | 'operatorName' | 'scope' | 'selector'>): string {
    return this.#vulnerable.make(made);
  }

  async #query(
    made: Pick<QueryRecord, 'org' | 'operator' | 'operatorName' | 'scope' | 'selector'>,
  ): Promise<QueryRecord> {
    const nowMs = Date.now();
    const record: QueryRecord = {
      ...{ ...made, id: newQueryId(nowMs), sql: `SCAN ${PACK.id}`, mode: 'group', columns: ['check'], pack: PACK },
      ...{ timeoutMs: 1_000, owner: this.#service.coordinatorId, state: 'running', createdAtMs: nowMs },
      ...{ deadlineMs: nowMs + 1_000, ledger: EMPTY_LEDGER, offline: 0, rows: 0 },
    };
    await this.#service.keep(record);
    await this.#service.emit(record, { t: 'started', record });
    return record;
  }

  async #reply(request: PostureRequest): Promise<PostureReply> {
    const { id, version, hash, checks } = PACK;
    const summaryOf = (org: OrgId) => ({
      ...{
        id,
        version,
        hash,
        checks,
        org,
        title: `Baseline of ${org}`,
        by: { id: 'x', name: `admin of ${org}` },
        atMs: 0,
      },
    });
    const own = this.scans.filter(({ org }) => org === request.org);
    switch (request.t) {
      case 'store_pack':
      case 'show_pack':
        return { t: 'pack', pack: summaryOf(request.org), text: deflateRawSync(PACK_TEXT) };
      case 'propose_pack':
      case 'list_proposals':
        return { t: 'proposals', proposals: [proposalOf(request.org)] };
      case 'show_proposal': {
        const proposed = proposalOf(request.org);
        return { t: 'proposal', proposal: { ...proposed, text: deflateRawSync(PACK_TEXT), proposal: 'p' } };
      }
      case 'reject_proposal':
        return { t: 'proposal_rejected', proposal: proposalOf(request.org) };
      case 'remove_pack':
        return { t: 'pack_removed', version };
      case 'list_packs':
        return { t: 'packs', packs: [summaryOf(request.org)] };
      case 'start_scan': {
        const { org, operator, operatorName, selector, bound } = request;
        const record = await this.#query({
          org,
          operator,
          operatorName,
          selector,
          scope: joinSelectors(selector, bound),
        });
        return { t: 'scan_started', record: await this.#service.end(record) };
      }
      case 'list_scans': {
        const found = own.filter((scan) => request.before === undefined || scan.id < request.before);
        const newest = found.toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, request.limit);
        return { t: 'scans', scans: newest.map(({ checks: _checks, ...summary }) => ({ ...summary, failing: {} })) };
      }
      case 'show_scan': {
        const scan = own.find((one) => one.id === request.id);
        return { t: 'scan', ...(scan === undefined ? {} : { scan }) };
      }
      case 'scan_findings': {
        const finding = { check: 'one', outcome: 'fail', reason: null, evidence: `["${request.id}"]`, endpoints: 1 };
        return { t: 'findings', findings: [{ ...finding, sample: [1], exceptions: [] }], isCut: false };
      }
      case 'scan_endpoints': {
        const said = { outcome: 'fail', reason: null, evidence: `["${request.id}"]` };
        const { num = 1 } = request;
        return {
          t: 'scan_endpoints',
          ...(request.num === undefined ? {} : { num }),
          endpoints: [{ num, ...said }],
          isWhole: true,
          isCut: false,
        };
      }
      case 'scan_scores': {
        const scored = { num: 1, passed: 7, judged: 14, counts: { pass: 1, fail: 1 }, excepted: 0 };
        return { t: 'scan_scores', scores: [scored], isWhole: true, isCut: false };
      }
      case 'list_feeds':
      case 'show_feed':
      case 'begin_feed':
      case 'store_feed_part':
      case 'end_feed':
      case 'delete_feed':
      case 'start_vulnerability_scan':
      case 'list_vulnerability_scans':
      case 'show_vulnerability_scan':
      case 'list_vulnerabilities':
      case 'show_vulnerability':
        return this.#vulnerable.reply(request);
      default:
        return this.decisions.reply(request);
    }
  }
}
