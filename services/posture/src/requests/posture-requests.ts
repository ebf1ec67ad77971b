import type { ChangeTerms, PostureReply, PostureRequest, StartScan } from '@muster/messages';
import { AppError, CHECK_OUTCOMES, isOrgId, newQueryId, type OrgId, type QueryId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { ExceptionRequests } from '../decisions/exception-requests.js';
import type { PackCompiler } from '../packs/pack-compiler.js';
import type { PackLibrary } from '../packs/pack-library.js';
import { PackRequests } from '../packs/pack-requests.js';
import type { QueryServices } from '../scans/query-services.js';
import { KeptFindings } from '../scans/kept-findings.js';
import { endpointsOf, scoresOf } from '../scans/scan-findings.js';
import type { ScanLibrary } from '../scans/scan-library.js';
import type { ReadScan, ScanReader } from '../scans/scan-reader.js';
import type { ScheduleRequests } from '../schedules/schedule-requests.js';
import type { FeedRequests } from '../feeds/feed-requests.js';
import { cutToReply, partOf } from './cut-to-reply.js';
import type { VulnerabilityRequests } from '../vulnerabilities/vulnerability-requests.js';

export interface PostureRequestsOptions {
  readonly packs: PackLibrary;
  readonly scans: ScanLibrary;
  readonly compiler: Pick<PackCompiler, 'compile'>;
  readonly queries: Pick<QueryServices, 'start'>;
  readonly reader: Pick<ScanReader, 'find' | 'present'>;
  readonly schedules: ScheduleRequests;
  readonly exceptions: ExceptionRequests;
  readonly clock: Clock;
  readonly feeds: Pick<FeedRequests, 'handle'>;
  readonly vulnerabilities: Pick<VulnerabilityRequests, 'handle'>;
}

const MAX_SCANS = 200;
/** Endpoints without evidence in one reply. */
const MAX_SCORES = 5_000;

/** What the API may ask. */
export class PostureRequests {
  readonly #options: PostureRequestsOptions;
  readonly #packs: PackRequests;
  readonly #kept = new KeptFindings();

  constructor(options: PostureRequestsOptions) {
    this.#options = options;
    const { packs, compiler, clock, schedules } = options;
    this.#packs = new PackRequests({
      ...{ packs, compiler, clock },
      schedulesOf: (org, pack) => schedules.of(org, pack).map(({ name }) => name),
    });
  }

  /** @throws AppError, StreamError */
  async handle(request: PostureRequest & ChangeTerms): Promise<PostureReply> {
    if (!isOrgId(request.org)) throw new AppError('bad_request', 'the org is not a valid name');
    const { scans, schedules, exceptions } = this.#options;
    switch (request.t) {
      case 'store_pack':
      case 'propose_pack':
      case 'list_proposals':
      case 'show_proposal':
      case 'reject_proposal':
      case 'list_packs':
      case 'show_pack':
      case 'remove_pack':
        return this.#packs.handle(request);
      case 'start_scan':
        return { t: 'scan_started', record: await this.start(request) };
      case 'list_scans': {
        const limit = Math.min(request.limit, MAX_SCANS);
        const { shown, isCut } = cutToReply(scans.list(request.org, { ...request, limit: limit + 1 }), limit);
        return { t: 'scans', scans: shown, isCut };
      }
      case 'show_scan': {
        const scan = await scans.get(request.org, request.id);
        return { t: 'scan', ...(scan === undefined ? {} : { scan }) };
      }
      case 'scan_findings':
        return this.#findings(request);
      case 'scan_endpoints':
        return this.#endpoints(request);
      case 'scan_scores':
        return this.#scores(request);
      case 'create_schedule': {
        const { org, by, terms, id } = request;
        return { t: 'schedule', schedule: await schedules.create(org, by, terms, id) };
      }
      case 'list_schedules': {
        const { shown, isCut } = partOf(schedules.list(request.org), request.after);
        return { t: 'schedules', schedules: shown, isCut };
      }
      case 'show_schedule':
        return { t: 'schedule', schedule: await schedules.show(request.org, request.id) };
      case 'change_schedule':
        return { t: 'schedule', schedule: await schedules.change(request) };
      case 'create_exception': {
        const { org, by, terms, id } = request;
        return { t: 'exception', exception: await exceptions.create(org, by, terms, id) };
      }
      case 'list_exceptions': {
        const { shown, isCut } = partOf(exceptions.list(request.org), request.after);
        return { t: 'exceptions', exceptions: shown, isCut };
      }
      case 'delete_exception':
        return { t: 'exception', exception: await exceptions.delete(request.org, request.id, request.by, request) };
      case 'list_feeds':
      case 'show_feed':
      case 'begin_feed':
      case 'store_feed_part':
      case 'end_feed':
      case 'delete_feed':
        return this.#options.feeds.handle(request);
      case 'start_vulnerability_scan':
      case 'list_vulnerability_scans':
      case 'show_vulnerability_scan':
      case 'list_vulnerabilities':
      case 'show_vulnerability':
        return this.#options.vulnerabilities.handle(request);
      default:
        throw new AppError('bad_request', 'the posture service does not know this request');
    }
  }

  /** Where an exception is for some endpoints only, the scan keeps who fails: otherwise it could not be counted. */
  start({ pack: packId, ...request }: StartScan): Promise<QueryRecord> {
    const { packs, queries, clock, reader } = this.#options;
    const { id, version, hash, checks, jws, keys } = packs.find(request.org, packId);
    const mode = reader.present(request.org, id).needsEndpoints ? 'raw' : request.mode;
    const start = { ...request, mode, t: 'start' as const, id: request.id ?? newQueryId(clock.now()) };
    return queries.start({ ...start, sql: `SCAN ${id} ${version}`, pack: { id, version, hash, checks, jws, keys } });
  }

  async #findings({
    org,
    id,
    check,
    skip = 0,
  }: PostureRequest & { readonly t: 'scan_findings' }): Promise<PostureReply> {
    const scan = await this.#scanWith(org, id, check);
    const { shown, isCut } = cutToReply(this.#kept.after(scan, check, skip));
    if (!isCut) this.#kept.forget(scan, check);
    return { t: 'findings', findings: shown, isCut };
  }

  async #endpoints(request: PostureRequest & { readonly t: 'scan_endpoints' }): Promise<PostureReply> {
    const { org, id, check, num, after, limit } = request;
    const outcome = CHECK_OUTCOMES.find((one) => one === request.outcome);
    const { endpoints, isWhole } = endpointsOf(await this.#scanWith(org, id, check), { check, num, outcome });
    if (num !== undefined) {
      const { shown, isCut } = cutToReply(endpoints);
      return { t: 'scan_endpoints', num, endpoints: shown, isWhole: isWhole && !isCut, isCut: false };
    }
    const { shown, isCut } = cutToReply(
      endpoints.filter((one) => one.num > after),
      limit,
    );
    return { t: 'scan_endpoints', endpoints: shown, isWhole, isCut };
  }

  async #scores({ org, id, after }: PostureRequest & { readonly t: 'scan_scores' }): Promise<PostureReply> {
    const { scores, isWhole } = scoresOf(await this.#options.reader.find(org, id));
    const rest = scores.filter(({ num }) => num > after);
    const { shown, isCut } = cutToReply(rest, MAX_SCORES);
    return { t: 'scan_scores', scores: shown, isWhole, isCut };
  }

  /** @throws AppError `not_found`, also for a check that its pack does not have */
  async #scanWith(org: OrgId, id: QueryId, check: string | undefined): Promise<ReadScan> {
    const scan = await this.#options.reader.find(org, id);
    if (check === undefined || scan.pack?.checks.some((one) => one.id === check) === true) return scan;
    const { pack } = scan.query;
    throw new AppError('not_found', `the pack ${pack.id} ${pack.version} has no check ${check}`);
  }
}
