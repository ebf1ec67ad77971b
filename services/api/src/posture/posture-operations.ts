import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { operations } from '@muster/api-contract';
import type { ScanSummary, StartScan } from '@muster/messages';
import { type Pack, readPack } from '@muster/packs';
import { encodeChecks } from '@muster/packs/checks';
import { AppError, joinSelectors, type QueryId } from '@muster/protocol';
import type { KnownHealth } from '../agents/known-health.js';
import { callerOf } from '../commands/submit-operations.js';
import { decodeCursor, encodeCursor, idPosition } from '../http/cursor.js';
import { given } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import { maySee, type QueryStore } from '../queries/query-store.js';
import type { CommandClient } from '../upstream/command-client.js';
import type { PostureClient } from '../upstream/posture-client.js';
import { packJson, runningScanJson, scanJson, wholePackJson } from './posture-json.js';
import { asScan, findScan } from './scan-access.js';
import type { ScanDetails } from './scan-detail.js';

export interface PostureParts {
  readonly client: PostureClient;
  readonly commands: Pick<CommandClient, 'signPack'>;
  readonly store: Pick<QueryStore, 'find' | 'findReadable' | 'progress'>;
  readonly health: Pick<KnownHealth, 'among'>;
  readonly details: ScanDetails;
}

const TEXT_BYTES = 4 * 1024 * 1024;
/** Scans in one reply of a posture service. */
const PAGE = 200;
/** Pages of scans that are read for one page of a bounded caller. */
const MAX_PAGES = 20;

/** Packs, and scans with them. */
export function postureOperations(parts: PostureParts): Operation[] {
  return [
    applyOperation(parts),
    listPacksOperation(parts),
    showPackOperation(parts),
    startOperation(parts),
    listScansOperation(parts),
    showScanOperation(parts),
  ];
}

/** This process makes the hash that is signed, of the text that the admin gave: no service behind it can have other checks signed. */
function applyOperation({ client, commands }: PostureParts): Operation {
  return implement(operations.applyPack, async (call) => {
    const { principal, body, note } = call;
    const pack = readText(body.text);
    note({ subject: pack.id, details: { version: pack.version, checks: pack.checks.length } });
    const hash = hashOf(pack);
    const claims = { pack: pack.id, version: pack.version, hash, checks: pack.checks.length };
    const { jws, keys } = await commands.signPack({ t: 'sign_pack', ...callerOf(call), pack: claims });
    const by = { id: principal.id, name: principal.name };
    const text = deflateRawSync(body.text);
    const reply = await client.ask({ t: 'store_pack', org: principal.org, by, text, hash, jws, keys }, 'pack');
    return json(201, packJson(reply.pack));
  });
}

function readText(text: string): Pack {
  const read = readPack(text);
  if (read.ok) return read.pack;
  const [first] = read.faults;
  const where = first === undefined ? '' : `${first.line}:${first.column} ${first.path}: ${first.message}`;
  throw new AppError('bad_pack', `the pack has ${read.faults.length} faults: ${where}`, {
    details: { faults: read.faults.slice(0, 20) },
  });
}

function hashOf({ id, checks }: Pack): string {
  try {
    return encodeChecks(checks).hash;
  } catch (cause) {
    if (cause instanceof RangeError) throw new AppError('too_large', `${id}: ${cause.message}`, { cause });
    throw cause;
  }
}

function listPacksOperation({ client }: PostureParts): Operation {
  return implement(operations.listPacks, async ({ principal }) => {
    const { packs } = await client.ask({ t: 'list_packs', org: principal.org }, 'packs');
    return json(200, { items: packs.map(packJson) });
  });
}

function showPackOperation({ client }: PostureParts): Operation {
  return implement(operations.showPack, async ({ principal, params }) => {
    const { pack, text = new Uint8Array() } = await client.ask(
      { t: 'show_pack', org: principal.org, id: params.id },
      'pack',
    );
    const yaml = inflateRawSync(text, { maxOutputLength: TEXT_BYTES }).toString('utf8');
    return json(200, wholePackJson(pack, yaml));
  });
}

function startOperation({ client, health, details }: PostureParts): Operation {
  return implement(operations.startScan, async ({ principal, body, note, queryId }) => {
    note({ scope: joinSelectors(body.selector, principal.selector), details: { pack: body.pack } });
    const { pack, selector, timeoutMs, waitUntilMs, standing, detail = details.of(principal, selector) } = body;
    const request: StartScan = {
      ...{ t: 'start_scan', org: principal.org, operator: principal.id, operatorName: principal.name, pack, selector },
      ...{
        bound: principal.selector ?? '',
        mode: detail === 'endpoints' ? 'raw' : 'group',
        timeoutMs,
      },
      ...{ ...given('waitUntilMs', waitUntilMs), ...given('standing', standing) },
      ...(await health.among(principal.org, selector)),
    };
    const first = await client.ask({ ...request, ...given('id', queryId) }, 'scan_started');
    // An earlier attempt under this key began, and broke off before its caller heard of it.
    const isLost = queryId !== undefined && first.record.state === 'interrupted';
    const query = asScan(isLost ? (await client.ask(request, 'scan_started')).record : first.record);
    note({ subject: query.id, scope: query.scope, details: { pack, version: query.pack.version } });
    return json(201, runningScanJson(query), { headers: { location: `/v1/scans/${query.id}` } });
  });
}

function listScansOperation({ client }: PostureParts): Operation {
  return implement(operations.listScans, async ({ principal, query: { pack, scope, limit, cursor } }) => {
    let before = cursor === undefined ? undefined : (decodeCursor('scans', cursor, [idPosition])[0] as QueryId);
    const asked = { t: 'list_scans' as const, org: principal.org, ...given('pack', pack), ...given('scope', scope) };
    const size = Math.min(limit + 1, PAGE);
    const items: ScanSummary[] = [];
    let more = true;
    for (let page = 0; more && page < MAX_PAGES && items.length <= limit; page += 1) {
      const { scans, isCut } = await client.ask({ ...asked, limit: size, ...given('before', before) }, 'scans');
      items.push(...scans.filter((scan) => maySee(principal, scan)));
      before = scans.at(-1)?.id;
      more = before !== undefined && (isCut ?? scans.length >= size);
    }
    const shown = items.slice(0, limit);
    // The page goes on after what it shows; where it read many scans of others only, after those.
    const last = items.length > limit ? shown.at(-1)?.id : more ? before : undefined;
    return json(200, {
      items: shown.map(scanJson),
      ...(last === undefined ? {} : { nextCursor: encodeCursor('scans', [last]) }),
    });
  });
}

function showScanOperation(parts: PostureParts): Operation {
  return implement(operations.showScan, async ({ principal, params }) => {
    const { client, store } = parts;
    const { scan } = await client.ask({ t: 'show_scan', org: principal.org, id: params.id as QueryId }, 'scan');
    // A scan is known longer than its query.
    if (scan !== undefined && maySee(principal, scan)) return json(200, scanJson(scan));
    const query = await findScan(store, principal, params.id);
    return json(200, runningScanJson(query, await store.progress(query)));
  });
}
