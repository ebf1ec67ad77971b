import type { CommandJson, CommandLedgerJson } from '@muster/api-contract';
import { isoTime } from '../http/json-members.js';
import { endpointLabel, type Directory } from '@muster/directory';
import type { CommandSummary } from '@muster/messages';
import { COMMAND_STATES, selectorMatches, type CommandLedger, type CommandState } from '@muster/protocol';
import type { CommandFold, TargetOutcome } from '@muster/records';
import type { Principal } from '../http/principal.js';

/** The JSON of a command. */
export function commandJson({
  record,
  status,
  ledger,
  released,
  approver,
  cancel,
  endedAtMs,
}: CommandSummary): CommandJson {
  const { operator, rollout, reason, approval, undoes } = record;
  return {
    id: record.id,
    status,
    action: record.action,
    params: record.params,
    dryRun: record.dryRun,
    target: record.target,
    ...(undoes === undefined ? {} : { undoes }),
    operator: { id: operator.id, name: operator.name, role: operator.role },
    ...(reason === undefined ? {} : { reason }),
    ...(approval === undefined ? {} : { approval: { why: approval.why, role: approval.role } }),
    ...(approver === undefined ? {} : { approver: { id: approver.id, name: approver.name } }),
    ...(rollout === undefined ? {} : { rollout }),
    submittedAt: isoTime(record.submittedAtMs),
    expiresAt: isoTime(record.expiresAtMs),
    timeoutMs: record.timeoutMs,
    ...(endedAtMs === undefined ? {} : { endedAt: isoTime(endedAtMs) }),
    ...(cancel === undefined
      ? {}
      : { cancel: { by: cancel.by, code: cancel.code, message: cancel.message, at: isoTime(cancel.atMs) } }),
    released,
    ledger: commandLedgerJson(ledger),
  };
}

/** The states in their fixed order, which the wire does not keep. */
export function commandLedgerJson(ledger: CommandLedger): CommandLedgerJson {
  const counts = Object.fromEntries(COMMAND_STATES.map((state) => [state, ledger[state]]));
  return { targeted: ledger.targeted, ...counts } as CommandLedgerJson;
}

/** The names of the endpoint with this number. `undefined`: the principal may see only the state of its target. */
export type EndpointVisibility = (
  num: number,
) => { readonly agentId: string | null; readonly host: string | null } | undefined;

const UNNAMED = { agentId: null, host: null };

/**
 * Shows endpoints within the bound of this principal as it is now. An endpoint that has left the bound since the command was submitted is
 * not named any more, and its messages are hidden.
 */
export function visibilityOf(principal: Principal, directory: Pick<Directory, 'byNum'>): EndpointVisibility {
  const { bound } = principal;
  return (num) => {
    const endpoint = directory.byNum(num);
    if (endpoint === undefined) return bound.length === 0 ? UNNAMED : undefined;
    if (bound.length > 0 && !selectorMatches(bound, endpointLabel(endpoint))) return undefined;
    return { agentId: endpoint.agentId, host: endpoint.facts.host };
  };
}

/** One target and its state. `outcome` is absent while nothing was reported of it. */
function targetJson(
  target: { readonly number: number; readonly num: number; readonly state: CommandState },
  outcome: TargetOutcome | undefined,
  visibility: EndpointVisibility,
) {
  const seen = visibility(target.num);
  return {
    number: target.number,
    ...(seen ?? UNNAMED),
    state: target.state,
    ...outcomeJson(outcome, seen !== undefined),
  };
}

/** Writes the JSON that {@link targetJson} has for targets with one outcome. What they share is made once. */
export function targetText(
  outcome: TargetOutcome,
  visibility: EndpointVisibility,
): (number: number, num: number) => string {
  const shared = (isVisible: boolean): string =>
    JSON.stringify({ state: outcome.state, ...outcomeJson(outcome, isVisible) }).slice(1);
  const [shown, hidden] = [shared(true), shared(false)];
  return (number, num) => {
    const seen = visibility(num);
    const { agentId, host } = seen ?? UNNAMED;
    return `{"number":${number},"agentId":${JSON.stringify(agentId)},"host":${JSON.stringify(host)},${seen === undefined ? hidden : shown}`;
  };
}

/** The target of a fold, and what it reported after it had settled. */
export function foldedTargetJson(fold: CommandFold, number: number, visibility: EndpointVisibility) {
  const num = fold.nums[number - 1] ?? 0;
  const late = fold.late(number);
  return {
    ...targetJson({ number, num, state: fold.state(number) }, fold.outcome(number), visibility),
    ...(late === undefined ? {} : { late: { state: late.state, ...outcomeJson(late, visibility(num) !== undefined) } }),
  };
}

function outcomeJson(outcome: TargetOutcome | undefined, isVisible: boolean) {
  if (outcome === undefined) return { code: '', message: '' };
  const { code, message, effects, atMs } = outcome;
  const details = isVisible ? { message, ...(effects === undefined ? {} : { effects }) } : { message: '' };
  return { code, ...details, at: isoTime(atMs) };
}
