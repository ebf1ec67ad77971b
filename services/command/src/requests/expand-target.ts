import { parseBinding, type ActionDefinition, type Fault } from '@muster/actions';
import { endpointLabel, type Directory, type Endpoint } from '@muster/directory';
import type { CommandTarget } from '@muster/messages';
import {
  AppError,
  boundedSelector,
  LIMITS,
  selectorMatches,
  encodeCbor,
  type AgentId,
  type Binding,
  type OrgId,
} from '@muster/protocol';
import { decodeNumberSet, encodeNumberSet, type TargetList } from '@muster/records';
import { filterInTurns } from '@muster/runtime';
import type { RouteMap, Routes } from '../deliveries/routes.js';

/** The targets of a command, frozen at its submission. Connected ones have the first numbers. */
export interface FrozenTargets {
  readonly list: TargetList;
  readonly count: number;
  /** Targets up to this number are connected now. */
  readonly connected: number;
  /** Each endpoint once. */
  readonly endpoints: readonly Endpoint[];
  /** Routes of connected targets; undefined when the registry could not be asked. */
  readonly routes: RouteMap | undefined;
  /** Shown to people: the selector, `3 endpoints`, `12 rows`. */
  readonly text: string;
}

export interface TargetRequest {
  readonly org: OrgId;
  readonly action: ActionDefinition;
  readonly target: CommandTarget;
  /** The operator's own selector. */
  readonly bound: string;
}

export interface TargetDeps {
  readonly directory: Pick<Directory, 'byId' | 'endpoints'>;
  readonly routes: Pick<Routes, 'of' | 'all'>;
}

/** How many agent ids an error names. */
const NAMED = 10;

/**
 * Freezes the target set. One named endpoint that is unknown, revoked or outside the operator's bound refuses the command.
 * @throws AppError `bad_selector`, `bad_params` (rows), `no_targets`, `too_many_targets`, `not_found`, `revoked`, `forbidden`,
 * `registry_unavailable` (the selector has `mode`, and nobody knows who is connected).
 */
export async function expandTarget(deps: TargetDeps, request: TargetRequest): Promise<FrozenTargets> {
  const { target } = request;
  if ('selector' in target) return bySelector(deps, request, target);
  if ('agentIds' in target) return byIds(deps, request, target.agentIds);
  return byRows(deps, request, target.rows);
}

async function bySelector(
  { directory, routes }: TargetDeps,
  request: TargetRequest,
  { selector: text, among }: Extract<CommandTarget, { readonly selector: string }>,
): Promise<FrozenTargets> {
  const { org, bound } = request;
  const { selector } = boundedSelector(text, bound, among !== undefined);
  const chosen = among === undefined ? undefined : new Set(decodeNumberSet(among));
  // Only the registry knows the mode of a session.
  const usesMode = selector.some(({ key }) => key === 'mode');
  const early = usesMode ? await routes.all(org) : undefined;
  if (usesMode && early === undefined) {
    const message = 'nobody knows who is connected now, so `mode` would select wrong endpoints; try again';
    throw new AppError('registry_unavailable', message);
  }
  const found = await filterInTurns(directory.endpoints(org), (endpoint) => {
    if (endpoint.revoked !== undefined || chosen?.has(endpoint.num) === false) return false;
    return selectorMatches(selector, endpointLabel(endpoint, early && (early.get(endpoint.num)?.mode ?? 'offline')));
  });
  if (found.length === 0) {
    throw new AppError('no_targets', 'the selector matches no endpoint that you may touch', {
      details: { selector: text },
    });
  }
  checkCount(found.length);
  return ofEndpoints(found, early ?? (await routes.of(org, found)), text === '' ? 'all endpoints' : text);
}

async function byIds(deps: TargetDeps, request: TargetRequest, ids: readonly AgentId[]): Promise<FrozenTargets> {
  checkCount(ids.length);
  const found = resolve(deps, request, new Set(ids));
  const endpoints = [...found.values()];
  const text = endpoints.length === 1 ? (endpoints[0]?.facts.host ?? '1 endpoint') : `${endpoints.length} endpoints`;
  return ofEndpoints(endpoints, await deps.routes.of(request.org, endpoints), text);
}

async function byRows(
  deps: TargetDeps,
  request: TargetRequest,
  rows: readonly { readonly agentId: AgentId; readonly row: Binding }[],
): Promise<FrozenTargets> {
  if (rows.length > LIMITS.commandRows) {
    throw new AppError('too_many_targets', `one command takes ${LIMITS.commandRows} rows at most`, {
      details: { targets: rows.length, limit: LIMITS.commandRows },
    });
  }
  const found = resolve(deps, request, new Set(rows.map(({ agentId }) => agentId)));
  const faults: (Fault & { row: number })[] = [];
  const bound = new Map<string, { readonly num: number; readonly binding: Binding }>();
  for (const [i, { agentId, row }] of rows.entries()) {
    const parsed = parseBinding(request.action, row);
    if (!parsed.ok) faults.push(...parsed.faults.map((fault) => ({ ...fault, row: i + 1 })));
    else {
      const num = found.get(agentId)?.num ?? 0;
      // Equal rows are one target.
      bound.set(`${num} ${Buffer.from(encodeCbor(parsed.binding)).toString('base64')}`, {
        num,
        binding: parsed.binding,
      });
    }
  }
  const [fault] = faults;
  if (fault !== undefined) {
    throw new AppError(
      'bad_params',
      `row ${fault.row}: ${fault.path === '' ? '' : `${fault.path}: `}${fault.message}`,
      {
        details: {
          faults: faults.slice(0, 100).map(({ row, path, message }) => ({ path: `rows.${row}.${path}`, message })),
        },
      },
    );
  }
  const endpoints = [...found.values()];
  const routes = await deps.routes.of(request.org, endpoints);
  return ofRows([...bound.values()], endpoints, routes, `${bound.size} ${bound.size === 1 ? 'row' : 'rows'}`);
}

/** Numbers rows: those of connected agents first. */
export function ofRows(
  rows: readonly { readonly num: number; readonly binding: Binding }[],
  endpoints: readonly Endpoint[],
  routes: RouteMap | undefined,
  text: string,
): FrozenTargets {
  const isConnected = ({ num }: { readonly num: number }): boolean => routes?.has(num) === true;
  const first = rows.filter(isConnected);
  const ordered = [...first, ...rows.filter((row) => !isConnected(row))];
  return {
    list: { rows: ordered.map(({ num, binding }) => [num, binding] as const) },
    count: rows.length,
    connected: first.length,
    endpoints,
    routes,
    text,
  };
}

function ofEndpoints(endpoints: readonly Endpoint[], routes: RouteMap | undefined, text: string): FrozenTargets {
  const first: number[] = [];
  const rest: number[] = [];
  for (const { num } of endpoints) (routes?.has(num) === true ? first : rest).push(num);
  const sets = [first, rest].filter((nums) => nums.length > 0).map((nums) => encodeNumberSet(nums));
  return { list: { sets }, count: endpoints.length, connected: first.length, endpoints, routes, text };
}

/** Resolves named endpoints: all of them or none. */
function resolve(
  { directory }: TargetDeps,
  { org, bound }: TargetRequest,
  ids: ReadonlySet<AgentId>,
): Map<AgentId, Endpoint> {
  if (ids.size === 0) throw new AppError('no_targets', 'no endpoint is named', { details: {} });
  const { selector } = boundedSelector('', bound);
  const found = new Map<AgentId, Endpoint>();
  const refused = { not_found: [] as AgentId[], forbidden: [] as AgentId[], revoked: [] as AgentId[] };
  for (const id of ids) {
    const endpoint = directory.byId(org, id);
    if (endpoint === undefined) refused.not_found.push(id);
    else if (!selectorMatches(selector, endpointLabel(endpoint))) refused.forbidden.push(id);
    else if (endpoint.revoked !== undefined) refused.revoked.push(id);
    else found.set(id, endpoint);
  }
  for (const code of ['not_found', 'forbidden', 'revoked'] as const) refuse(code, refused[code]);
  return found;
}

const REFUSALS = {
  not_found: 'there is no endpoint',
  forbidden: 'your token does not reach',
  revoked: 'revoked and beyond commands:',
} as const;

function refuse(code: keyof typeof REFUSALS, ids: readonly AgentId[]): void {
  if (ids.length === 0) return;
  const more = ids.length > NAMED ? ` and ${ids.length - NAMED} more` : '';
  const message = `${REFUSALS[code]} ${ids.slice(0, NAMED).join(', ')}${more}; nothing was done`;
  throw new AppError(code, message, { details: { agentIds: ids.slice(0, NAMED), count: ids.length } });
}

function checkCount(targets: number): void {
  if (targets <= LIMITS.commandTargets) return;
  throw new AppError('too_many_targets', `one command takes ${LIMITS.commandTargets} targets at most`, {
    details: { targets, limit: LIMITS.commandTargets },
  });
}
