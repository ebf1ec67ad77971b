import { inflateRawSync } from 'node:zlib';
import { FINDING_FORMATS, operations, type FindingJson, type ScanEndpointJson } from '@muster/api-contract';
import type { Directory, Endpoint } from '@muster/directory';
import type { EndpointOutcome, EndpointScore, ScanFinding } from '@muster/messages';
import { readPack, type Pack } from '@muster/packs';
import { AppError, CHECK_OUTCOMES, type CheckOutcome, type OrgId } from '@muster/protocol';
import { visibleAgent } from '../agents/visible-agent.js';
import { decodeCursor, encodeCursor, position } from '../http/cursor.js';
import { given, isoTime } from '../http/json-members.js';
import { implement, json, jsonLines, type LinesAnswer, type Operation } from '../http/operation.js';
import type { PostureClient } from '../upstream/posture-client.js';
import type { QueryStore } from '../queries/query-store.js';
import { allParts, hasMore } from './all-parts.js';
import { csvText } from './finding-csv.js';
import { ocsfText } from './finding-ocsf.js';
import { sarifText } from './finding-sarif.js';
import type { Found } from './found.js';
import { mendOf } from './mend.js';
import { findScan, type ScanQuery } from './scan-access.js';
import { scoreByEndpoint, scoreByLabel } from './scan-scores.js';

export interface ScanResultParts {
  readonly client: PostureClient;
  readonly store: Pick<QueryStore, 'findReadable'>;
  readonly byNum: (num: number) => Endpoint | undefined;
  readonly directory: Pick<Directory, 'byId'>;
}

type ToldFinding = Omit<ScanFinding, 'exceptions'> & Partial<Pick<ScanFinding, 'exceptions'>>;
type Format = keyof typeof FINDING_FORMATS;

const TEXT_BYTES = 4 * 1024 * 1024;
/** Findings of a scan that runs: they change from page to page, so all are read before the first is written. */
const MAX_RUNNING_FINDINGS = 50_000;

/** What a scan found, in every form. */
export function scanResultOperations(parts: ScanResultParts): Operation[] {
  return [findingsOperation(parts), endpointsOperation(parts), scoresOperation(parts), mendOperation(parts)];
}

function findingsOperation({ client, store, byNum }: ScanResultParts): Operation {
  return implement(operations.listFindings, async ({ principal, params, query, negotiate }) => {
    const { check, format = formatOf(negotiate(...Object.values(FINDING_FORMATS))) } = query;
    const scan = await findScan(store, principal, params.id);
    const request = { t: 'scan_findings' as const, org: principal.org, id: scan.id, ...given('check', check) };
    const first = await client.ask(request, 'findings');
    if (format === 'json') {
      const items = first.findings.flatMap((finding) => findingJson(finding, byNum));
      return json(200, { items, isCut: first.isCut });
    }
    const pack = await packOf(client, principal.org, scan);
    const pages = pagesOf(first, (skip) => client.ask({ ...request, skip }, 'findings'));
    const whole = scan.state === 'running' ? await gathered(pages, scan.id) : pages;
    return textAnswer(format, FORMATS[format]({ scan, pack, findings: findingsOf(whole, byNum) }));
  });
}

interface FindingPage {
  readonly findings: readonly ToldFinding[];
  readonly isCut: boolean;
}

/**
 * Page after page, each when the one before was taken: who reads slowly makes nobody hold more than one.
 * @throws AppError `internal` when the rest does not come, so that the answer breaks off instead of passing for whole
 */
async function* pagesOf(
  first: FindingPage,
  ask: (skip: number) => Promise<FindingPage>,
): AsyncGenerator<readonly ToldFinding[]> {
  let page = first;
  for (let skip = 0; ;) {
    yield page.findings;
    skip += page.findings.length;
    if (!hasMore({ items: page.findings, isCut: page.isCut }, skip)) return;
    page = await ask(skip);
  }
}

/** @throws AppError `too_large` */
async function gathered(
  pages: AsyncIterable<readonly ToldFinding[]>,
  scan: string,
): Promise<readonly (readonly ToldFinding[])[]> {
  const all: (readonly ToldFinding[])[] = [];
  let count = 0;
  for await (const page of pages) {
    all.push(page);
    count += page.length;
    if (count > MAX_RUNNING_FINDINGS)
      throw new AppError(
        'too_large',
        `scan ${scan} runs, and has more than ${MAX_RUNNING_FINDINGS} findings: ask for one check, or when it has ended`,
      );
  }
  return all;
}

async function* findingsOf(
  pages: AsyncIterable<readonly ToldFinding[]> | readonly (readonly ToldFinding[])[],
  byNum: ScanResultParts['byNum'],
): AsyncGenerator<FindingJson> {
  for await (const page of pages) for (const finding of page) yield* findingJson(finding, byNum);
}

const FORMATS: Readonly<Record<Exclude<Format, 'json'>, (found: Found) => AsyncIterable<string>>> = {
  ndjson: ({ findings }) => jsonLines(findings),
  csv: csvText,
  sarif: sarifText,
  ocsf: ocsfText,
};

function formatOf(type: string): Format {
  return (Object.keys(FINDING_FORMATS) as Format[]).find((one) => FINDING_FORMATS[one] === type) ?? 'json';
}

function textAnswer(format: Format, lines: AsyncIterable<string>): LinesAnswer {
  const headers = { 'content-type': `${FINDING_FORMATS[format]}; charset=utf-8` };
  return { kind: 'lines', status: 200, headers, lines };
}

/** The version that ran. @throws AppError `not_found` when it is not kept any more */
async function packOf(client: PostureClient, org: OrgId, { pack: { id, hash } }: ScanQuery): Promise<Pack> {
  const { text = new Uint8Array() } = await client.ask({ t: 'show_pack', org, id, hash }, 'pack');
  const read = readPack(inflateRawSync(text, { maxOutputLength: TEXT_BYTES }).toString('utf8'));
  if (!read.ok) throw new AppError('internal', `the pack ${id} cannot be read any more`);
  return read.pack;
}

function findingJson(finding: ToldFinding, byNum: ScanResultParts['byNum']): FindingJson[] {
  // A posture service of the version before does not tell them.
  const { check, reason, evidence, endpoints, exceptions = [] } = finding;
  const outcome = outcomeOf(finding.outcome);
  if (outcome === undefined) return [];
  const sample = finding.sample.map((num) => nameOf(num, byNum));
  const allowed = exceptions.map(({ untilMs, ...rest }) => ({ ...rest, until: isoTime(untilMs) }));
  return [{ check, outcome, reason, evidence, endpoints, sample, exceptions: allowed }];
}

const outcomeOf = (text: string): CheckOutcome | undefined => CHECK_OUTCOMES.find((one) => one === text);

function nameOf(num: number, byNum: ScanResultParts['byNum']) {
  const endpoint = byNum(num);
  return { num, agentId: endpoint?.agentId ?? null, host: endpoint?.facts?.host ?? null };
}

function endpointsOperation({ client, store, byNum, directory }: ScanResultParts): Operation {
  return implement(operations.listScanEndpoints, async ({ principal, params, query }) => {
    const { check, agent, outcome, limit, cursor } = query;
    if (check === undefined && agent === undefined) throw new AppError('bad_request', 'give check, agent, or both');
    const { id } = await findScan(store, principal, params.id);
    const after = cursor === undefined ? 0 : decodeCursor('scan-endpoints', cursor, [position])[0];
    const num = agent === undefined ? undefined : visibleAgent(directory, principal, agent).num;
    const wanted = { ...given('check', check), ...given('num', num), ...given('outcome', outcome) };
    const told = await client.ask(
      { t: 'scan_endpoints', org: principal.org, id, ...wanted, after, limit },
      'scan_endpoints',
    );
    // A posture service of the version before does not know `num`, and tells of all endpoints, in pages.
    const isOf = told.num === num;
    const own = told.endpoints.filter((one) => num === undefined || one.num === num);
    const last = hasMore({ items: told.endpoints, isCut: told.isCut }, after) ? told.endpoints.at(-1) : undefined;
    return json(200, {
      items: own.flatMap((one) => endpointJson(one, byNum)),
      isWhole: isOf && told.isWhole,
      ...(last !== undefined ? { nextCursor: encodeCursor('scan-endpoints', [last.num]) } : {}),
    });
  });
}

function endpointJson(one: EndpointOutcome, byNum: ScanResultParts['byNum']): ScanEndpointJson[] {
  const { num, check, reason, evidence, exception } = one;
  const outcome = outcomeOf(one.outcome);
  if (outcome === undefined) return [];
  return [
    { ...given('check', check), ...nameOf(num, byNum), outcome, reason, evidence, ...given('exception', exception) },
  ];
}

function scoresOperation({ client, store, byNum }: ScanResultParts): Operation {
  return implement(operations.listScanScores, async ({ principal, params, query: { by, limit, cursor } }) => {
    const { id } = await findScan(store, principal, params.id);
    const from = cursor === undefined ? 0 : decodeCursor('scan-scores', cursor, [position])[0];
    let isWhole = true;
    const scores = await allParts(async (last?: EndpointScore) => {
      const place = { org: principal.org, id, after: last?.num ?? 0 };
      const reply = await client.ask({ t: 'scan_scores', ...place }, 'scan_scores');
      isWhole &&= reply.isWhole;
      return { items: reply.scores, isCut: reply.isCut };
    });
    const all = by === undefined ? scoreByEndpoint(scores, byNum) : scoreByLabel(scores, byNum, by);
    const items = all.slice(from, from + limit);
    const next = from + items.length;
    return json(200, {
      ...{ items, isWhole },
      ...(next < all.length ? { nextCursor: encodeCursor('scan-scores', [next]) } : {}),
    });
  });
}

function mendOperation({ client, store, byNum }: ScanResultParts): Operation {
  return implement(operations.planMend, async ({ principal, params, query: { check } }) => {
    const scan = await findScan(store, principal, params.id);
    const request = { t: 'scan_endpoints' as const, org: principal.org, id: scan.id, check, outcome: 'fail' };
    let isWhole = true;
    const endpoints = await allParts(async (last?: EndpointOutcome) => {
      const reply = await client.ask({ ...request, after: last?.num ?? 0, limit: 1_000 }, 'scan_endpoints');
      isWhole &&= reply.isWhole;
      return { items: reply.endpoints, isCut: reply.isCut };
    });
    const pack = await packOf(client, principal.org, scan);
    const found = pack.checks.find((one) => one.id === check);
    if (found === undefined)
      throw new AppError('not_found', `the pack ${pack.id} ${pack.version} has no check ${check}`);
    return json(200, mendOf(found, { endpoints, isWhole, byNum }));
  });
}
