import { type ActionDefinition, type Fault, findAction, parseBinding, parseParams, UNDO_ACTION } from '@muster/actions';
import {
  type AgentId,
  type Binding,
  type CommandBody,
  type CommandClaims,
  type CommandId,
  type OrgId,
  type Params,
  verifyTarget,
} from '@muster/protocol';
import { type CommandPolicy, isAllowed, needsApproval } from './command-policy.js';
import type { CheckedCommand, CommandTrust } from './command-trust.js';
import type { Kept } from './undo-store.js';
import type { CommandKey } from './history-entry.js';

/** Who is asked. */
export interface Endpoint {
  readonly agentId: AgentId;
  readonly org: OrgId;
}

/** Why a command is not believed, in one word. */
export type Disbelief =
  'no_trust' | 'malformed' | 'bad_signature' | 'unknown_key' | 'retired_key' | 'wrong_org' | 'not_a_target';

export type Authenticated =
  | { readonly kind: 'authentic'; readonly claims: CommandClaims }
  /** Anybody may have made it up. */
  | { readonly kind: 'disbelieved'; readonly code: Disbelief; readonly message: string };

/** A command that may run here. */
export interface Order extends CommandKey {
  readonly action: ActionDefinition;
  readonly params: Params;
  readonly binding?: Binding;
  readonly dryRun: boolean;
  readonly expiresAtMs: number;
  readonly timeoutMs: number;
  /** For an undo: what is undone, and what it kept. */
  readonly undoes?: { readonly key: CommandKey; readonly kept: Kept };
}

export type Judged =
  | { readonly ok: true; readonly order: Order }
  | {
      readonly ok: false;
      readonly state: 'refused' | 'unsupported' | 'expired';
      readonly code: string;
      readonly message: string;
    };

/** Clocks differ; a command from further ahead was made by somebody who has a reason. */
const MAX_AHEAD_MS = 5 * 60_000;

/**
 * First part: whether the command comes from whom this endpoint trusts, and is meant for it. In this order: a root is pinned; the signature is
 * that of a listed key; the org; the id; the proof that leads from this agent, the number and the row to the signed root.
 */
export function authenticate(body: CommandBody, trust: CommandTrust, endpoint: Endpoint): Authenticated {
  trust.acceptKeys(body.keys);
  const checked = trust.verify(body.jws);
  if (!checked.ok) return { kind: 'disbelieved', ...DISBELIEFS[checked.reason] };
  const { claims, root } = checked;
  if (claims.org !== endpoint.org) {
    return disbelieved(
      'wrong_org',
      `the command is for the org ${claims.org}, this endpoint belongs to ${endpoint.org}`,
    );
  }
  if (claims.jti !== body.id) return disbelieved('malformed', `the signature is over another command, ${claims.jti}`);
  const leaf = {
    number: body.number,
    agentId: endpoint.agentId,
    ...(body.binding !== null && { binding: body.binding }),
  };
  return verifyTarget(leaf, { root, size: claims.targets }, body.proof)
    ? { kind: 'authentic', claims }
    : disbelieved('not_a_target', 'the signed targets do not have this endpoint with this number and row');
}

/** Second part: whether an authentic command may run now. In this order: its time, what is asked for, approval, what this endpoint allows. */
export function judge(
  body: CommandBody,
  claims: CommandClaims,
  asked: {
    readonly policy: CommandPolicy;
    readonly nowMs: number;
    /** What expires up to then is over, whatever the clock says. */
    readonly overMs: number;
    readonly undoOf: (key: CommandKey) => Kept | undefined;
  },
): Judged {
  const { policy, nowMs, overMs } = asked;
  if (claims.iat * 1_000 > nowMs + MAX_AHEAD_MS) {
    return refused(
      'not_yet_valid',
      `it was signed at ${iso(claims.iat)}, and here it is ${new Date(nowMs).toISOString()}`,
    );
  }
  if (claims.exp * 1_000 <= Math.max(nowMs, overMs)) {
    return { ok: false, state: 'expired', code: 'expired', message: `it expired at ${iso(claims.exp)}` };
  }
  const action = findAction(claims.action);
  if (action === undefined) {
    return { ok: false, state: 'unsupported', code: 'unknown_action', message: `this agent knows no ${claims.action}` };
  }
  const order = readOrder(body, claims, action, asked.undoOf);
  if (!order.ok) return order;
  const { undoes } = order.order;
  const original = undoes === undefined ? undefined : findAction(undoes.kept.action);
  const meant = original === undefined ? [action] : [action, original];
  if (!claims.dryRun && needsApproval(policy, ...meant) && !isApproved(claims)) {
    return refused('approval_missing', 'this endpoint runs it only when a second person has approved it');
  }
  return isAllowed(policy, ...meant)
    ? order
    : refused('action_not_allowed', `this endpoint is set not to run ${claims.action}`);
}

function readOrder(
  body: CommandBody,
  claims: CommandClaims,
  action: ActionDefinition,
  undoOf: (key: CommandKey) => Kept | undefined,
): Judged {
  const isUndo = action.name === UNDO_ACTION;
  const bound = body.binding !== null && !isUndo;
  const params = parseParams(action, claims.params, { bound });
  if (!params.ok) return refused('bad_params', sentence(params.faults));
  const order: Order = {
    id: body.id as CommandId,
    number: body.number,
    action,
    params: params.params,
    dryRun: claims.dryRun,
    expiresAtMs: claims.exp * 1_000,
    timeoutMs: claims.timeoutMs,
    ...(body.binding !== null && { binding: body.binding }),
  };
  if (isUndo) return readUndo(order, undoOf);
  if (body.binding === null) return { ok: true, order };
  const binding = parseBinding(action, body.binding);
  return binding.ok
    ? { ok: true, order: { ...order, binding: binding.binding } }
    : refused('bad_params', sentence(binding.faults));
}

/** An undo names a command, and by its binding the number that this endpoint was there. */
function readUndo(order: Order, undoOf: (key: CommandKey) => Kept | undefined): Judged {
  const { params, binding } = order;
  const [id, number] = [params['command'], binding?.['target']];
  if (typeof id !== 'string' || typeof number !== 'number' || !Number.isSafeInteger(number) || number < 1) {
    return refused('bad_params', 'an undo needs a command and, in its row, the number of the target');
  }
  const key = { id: id as CommandId, number };
  const kept = undoOf(key);
  return kept === undefined
    ? refused('nothing_kept', `this endpoint keeps nothing to undo target ${number} of ${id}, or it was undone already`)
    : { ok: true, order: { ...order, undoes: { key, kept } } };
}

/** A person cannot approve what the same person ordered. */
function isApproved({ approver, operator }: CommandClaims): boolean {
  return approver !== undefined && approver.id !== operator.id;
}

type Reason = Extract<CheckedCommand, { ok: false }>['reason'];

const DISBELIEFS: Readonly<Record<Reason, { readonly code: Disbelief; readonly message: string }>> = {
  no_trust: { code: 'no_trust', message: 'this agent has pinned no root of trust for commands' },
  malformed: { code: 'malformed', message: 'the signed text is not a command' },
  wrong_type: { code: 'malformed', message: 'the signed text was made for another purpose' },
  wrong_algorithm: { code: 'malformed', message: 'the signature is of another algorithm than EdDSA' },
  unknown_key: { code: 'unknown_key', message: 'the key that signed it is in no list that this agent trusts' },
  retired_key: { code: 'retired_key', message: 'the key that signed it is retired' },
  bad_signature: { code: 'bad_signature', message: 'the signature does not fit' },
};

function disbelieved(code: Disbelief, message: string): Authenticated {
  return { kind: 'disbelieved', code, message };
}

function refused(code: string, message: string): Judged {
  return { ok: false, state: 'refused', code, message };
}

function sentence(faults: readonly Fault[]): string {
  return faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
}

function iso(seconds: number): string {
  const ms = seconds * 1_000;
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${seconds} s`;
}
