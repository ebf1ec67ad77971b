import type { PackCheckJson, PackJson, PackProposalJson, ScanJson, WholePackJson } from '@muster/api-contract';
import type { PackSummary, ProposalSummary, ScanSummary } from '@muster/messages';
import { type Check, readPack } from '@muster/packs';
import { PACK_PROPOSAL_MS } from '@muster/protocol';
import type { PackReference, QueryRecord, ScanRecord } from '@muster/records';
import { given, isoTime } from '../http/json-members.js';
import { ledgerJson, type QueryProgress } from '../queries/query-json.js';

export function packJson({ id, version, title, checks, hash, by, approvedBy, atMs }: PackSummary): PackJson {
  const applied = { appliedBy: by, ...given('approvedBy', approvedBy), appliedAt: isoTime(atMs) };
  return { id, version, title, checks, hash, ...applied };
}

export function proposalJson(proposal: ProposalSummary): PackProposalJson {
  const { id, version, title, checks, hash, digest, by, why, atMs } = proposal;
  const waits = { requestedBy: by, requestedAt: isoTime(atMs), expiresAt: isoTime(atMs + PACK_PROPOSAL_MS), why };
  return { id, version, title, checks, hash, digest, ...waits };
}

/** A pack with what its text says. */
export function wholePackJson(pack: PackSummary, text: string): WholePackJson {
  const read = readPack(text);
  // It was read when it was applied; a format that this version does not read any more still has its text.
  if (!read.ok) return { ...packJson(pack), contents: [], text };
  const { description, license, checks } = read.pack;
  const contents = checks.map(checkJson);
  return { ...packJson(pack), ...given('description', description), ...given('license', license), contents, text };
}

function checkJson({ id, title, severity, platforms, ...rest }: Check): PackCheckJson {
  const { description, tags, sql, row_means, applies_if, not_applicable, remediation, action, references } = rest;
  return {
    ...{ id, title, severity, platforms: [...platforms] },
    ...{ ...given('description', description), ...given('tags', tags), ...given('sql', sql) },
    ...{ ...given('row_means', row_means), ...given('applies_if', applies_if) },
    ...{ ...given('not_applicable', not_applicable), ...given('remediation', remediation) },
    ...(action === undefined ? {} : { action: { name: action.name, ...given('params', action.params) } }),
    ...(references === undefined ? {} : { references: { ...references } as Record<string, string[]> }),
  };
}

/** A scan whose outcomes are not counted yet. */
export function runningScanJson(
  query: QueryRecord & { readonly pack: PackReference },
  progress: QueryProgress = query,
): ScanJson {
  const { id, state, pack, selector, scope, operator, operatorName, createdAtMs, endedAtMs, offline, hunt } = query;
  return {
    ...{
      id,
      state,
      recorded: false,
      detail: detailOf(query),
      pack: { id: pack.id, version: pack.version },
      selector,
      scope,
    },
    operator: { id: operator, name: operatorName },
    createdAt: isoTime(createdAtMs),
    ...(endedAtMs === undefined ? {} : { endedAt: isoTime(endedAtMs) }),
    ...(hunt === undefined ? {} : { waitUntil: isoTime(query.deadlineMs) }),
    ...{ ledger: ledgerJson(progress.ledger), offline },
  };
}

const detailOf = ({ mode }: Pick<QueryRecord, 'mode'>): ScanJson['detail'] => (mode === 'raw' ? 'endpoints' : 'checks');

type Whole = Omit<ScanRecord, 'checks'> & Partial<Pick<ScanRecord, 'checks'> & Pick<ScanSummary, 'failing'>>;

export function scanJson(scan: Whole): ScanJson {
  const { id, state, pack, selector, scope, operator, operatorName, createdAtMs, endedAtMs, ledger, offline } = scan;
  const { score, truncated, previous, changes, checks, failing } = scan;
  const counts = checks?.map((check) => ({ ...check, excepted: check.excepted ?? 0 }));
  return {
    ...{
      id,
      state,
      recorded: true,
      detail: detailOf(scan),
      pack: { id: pack.id, version: pack.version },
      selector,
      scope,
    },
    operator: { id: operator, name: operatorName },
    ...{ createdAt: isoTime(createdAtMs), endedAt: isoTime(endedAtMs), ledger: ledgerJson(ledger), offline },
    ...{ ...given('score', score), ...given('truncated', truncated), ...given('previous', previous) },
    ...{ ...given('changes', changes), ...given('failing', failing), ...given('checks', counts) },
  };
}
