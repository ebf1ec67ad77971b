import { operations } from '@muster/api-contract';
import type { ScanSummary, StartScan } from '@muster/messages';
import { joinSelectors, type QueryId } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import type { KnownHealth } from '../agents/known-health.js';
import { decodeCursor, encodeCursor, idPosition } from '../http/cursor.js';
import { given } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import { maySee, type QueryStore } from '../queries/query-store.js';
import type { RetentionPolicy } from '../queries/retention-policy.js';
import type { CommandClient } from '../upstream/command-client.js';
import type { PostureClient } from '../upstream/posture-client.js';
import { hasMore } from './all-parts.js';
import { packOperations } from './pack-operations.js';
import { runningScanJson, scanJson } from './posture-json.js';
import { asScan, findScan } from './scan-access.js';
import type { ScanDetails } from './scan-detail.js';

export interface PostureParts {
  readonly client: PostureClient;
  readonly commands: Pick<CommandClient, 'signPack'>;
  readonly store: Pick<QueryStore, 'find' | 'findReadable' | 'progress'>;
  readonly health: Pick<KnownHealth, 'among'>;
  readonly details: ScanDetails;
  readonly retention: Pick<RetentionPolicy, 'checkWaitUntil'>;
  readonly clock: Pick<Clock, 'now'>;
}

/** Scans in one reply of a posture service. */
const PAGE = 200;
/** Pages of scans that are read for one page of a bounded caller. */
const MAX_PAGES = 20;

/** Packs, and scans with them. */
export function postureOperations(parts: PostureParts): Operation[] {
  return [...packOperations(parts), startOperation(parts), listScansOperation(parts), showScanOperation(parts)];
}

function startOperation({ client, health, details, retention, clock }: PostureParts): Operation {
  return implement(operations.startScan, async ({ principal, body, note, queryId }) => {
    note({ scope: joinSelectors(body.selector, principal.selector), details: { pack: body.pack } });
    const { pack, selector, timeoutMs, waitUntilMs, standing } = body;
    const detail = body.detail ?? (await details.of(principal, selector));
    retention.checkWaitUntil(principal.org, waitUntilMs, clock.now());
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
      before = scans.at(-1)?.id ?? before;
      more = hasMore({ items: scans, isCut: isCut ?? scans.length >= size }, items.length);
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
