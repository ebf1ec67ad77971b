import { findAction, isBoundToRows, parseBinding, type ActionDefinition } from '@muster/actions';
import type { MendJson } from '@muster/api-contract';
import type { Endpoint } from '@muster/directory';
import type { EndpointOutcome } from '@muster/messages';
import type { Check } from '@muster/packs';
import { LIMITS } from '@muster/protocol';
import { given } from '../http/json-members.js';

interface Failed {
  readonly endpoints: readonly EndpointOutcome[];
  readonly isWhole: boolean;
  readonly byNum: (num: number) => Endpoint | undefined;
}

type Row = { readonly agentId: string; readonly row: Readonly<Record<string, unknown>> };

/**
 * The action of a check for the endpoints that failed it: bound to their evidence, or for each of them where its
 * parameters name the object.
 */
export function mendOf(check: Check, { endpoints, isWhole, byNum }: Failed): MendJson {
  const open = endpoints.filter(({ exception }) => exception === undefined);
  const about = {
    ...{ check: check.id, title: check.title, ...given('remediation', check.remediation) },
    ...{ excepted: endpoints.length - open.length, isWhole },
  };
  const { params = {} } = check.action ?? {};
  const action = check.action === undefined ? undefined : findAction(check.action.name);
  if (action === undefined) return { ...about, params, endpoints: open.length, unreadable: 0, partly: 0 };
  const known = open.flatMap((one) => {
    const agentId = byNum(one.num)?.agentId;
    return agentId === undefined ? [] : [{ agentId, evidence: one.evidence, isCut: one.reason !== null }];
  });
  const told = { ...about, action: action.name, params };
  if (!isBoundToRows(action, params)) {
    const agentIds = known.map(({ agentId }) => agentId);
    const target = agentIds.length === 0 ? {} : { target: { agentIds } };
    return { ...told, ...target, endpoints: agentIds.length, unreadable: open.length - agentIds.length, partly: 0 };
  }
  const rows: Row[] = [];
  let [bound, partly] = [0, 0];
  for (const { agentId, evidence, isCut } of known) {
    const found = rowsOf(evidence, action);
    if (found.length === 0 || rows.length + found.length > LIMITS.commandRows) continue;
    rows.push(...found.map((row) => ({ agentId, row })));
    bound += 1;
    // What fails has a reason where its evidence lacks something.
    if (isCut) partly += 1;
  }
  const target = rows.length === 0 ? {} : { target: { rows } };
  return { ...told, ...target, endpoints: bound, unreadable: open.length - bound, partly };
}

/** What an endpoint says of itself: it may be anything, and was cut where it was long. */
function rowsOf(evidence: string | null, action: ActionDefinition): Readonly<Record<string, unknown>>[] {
  if (evidence === null) return [];
  try {
    const rows = JSON.parse(evidence) as unknown;
    if (!Array.isArray(rows)) return [];
    return rows.flatMap((row) => {
      const parsed = parseBinding(action, row);
      return parsed.ok ? [parsed.binding] : [];
    });
  } catch {
    return [];
  }
}
