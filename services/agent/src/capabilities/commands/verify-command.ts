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
import type { CommandHistory } from './command-history.js';
import { type CommandPolicy, isAllowed, needsApproval } from './command-policy.js';
import type { CheckedCommand, CommandTrust } from './command-trust.js';
import type { UndoData } from './undo-store.js';
import type { CommandKey, Outcome } from './history-entry.js';

/** The endpoint that commands are for. */
export interface Endpoint {
  readonly agentId: AgentId;
  readonly org: OrgId;
}

/** Why a command is not authentic. */
export type AuthenticationFault =
  'no_trust' | 'malformed' | 'bad_signature' | 'unknown_key' | 'retired_key' | 'wrong_org' | 'not_a_target';

export type Authentication =
  | { readonly kind: 'authentic'; readonly claims: CommandClaims }
  /** It may be forged. */
  | { readonly kind: 'rejected'; readonly code: AuthenticationFault; readonly message: string };

/** A command that may run here. */
export interface AuthorizedCommand extends CommandKey {
  readonly action: ActionDefinition;
  readonly params: Params;
  readonly binding?: Binding;
  readonly dryRun: boolean;
  readonly expiresAtMs: number;
  readonly signedAtMs: number;
  readonly timeoutMs: number;
  /** For an undo: the command that is undone, and the data that it stored for that. */
  readonly undoes?: { readonly key: CommandKey; readonly data: UndoData };
}

export type Authorization =
  | { readonly ok: true; readonly command: AuthorizedCommand }
  | {
      readonly ok: false;
      readonly state: 'refused' | 'unsupported' | 'expired' | 'failed';
      readonly code: string;
      readonly message: string;
    };

/** Of a command that was signed before the history lost records, and is not in it. */
export const LOST: Outcome & { readonly state: 'failed' } = {
  state: 'failed',
  code: 'interrupted',
  message: 'this endpoint lost records of what it ran; this may have run, so it is not run again',
};

/** Clocks differ by less than this; a command signed further ahead is suspicious. */
const MAX_AHEAD_MS = 5 * 60_000;

/**
 * Step 1: whether a trusted key signed the command, for this endpoint. Checks in this order: a root is pinned; the
 * signature is of a listed key; the org; the id; the proof that the signed targets contain this agent with this number
 * and row.
 */
export function authenticate(body: CommandBody, trust: CommandTrust, endpoint: Endpoint): Authentication {
  trust.acceptKeys(body.keys);
  const checked = trust.verify(body.jws);
  if (!checked.ok) return { kind: 'rejected', ...AUTHENTICATION_FAULTS[checked.reason] };
  const { claims, root } = checked;
  if (claims.org !== endpoint.org) {
    return rejected('wrong_org', `the command is for the org ${claims.org}, this endpoint belongs to ${endpoint.org}`);
  }
  if (claims.jti !== body.id) return rejected('malformed', `the signature is over another command, ${claims.jti}`);
  const leaf = {
    number: body.number,
    agentId: endpoint.agentId,
    ...(body.binding !== null && { binding: body.binding }),
  };
  return verifyTarget(leaf, { root, size: claims.targets }, body.proof)
    ? { kind: 'authentic', claims }
    : rejected('not_a_target', 'the signed targets do not have this endpoint with this number and row');
}

/**
 * Step 2: whether an authentic command that is not known here may run now. Checks in this order: whether it may have run
 * before, time, action and parameters, approval, the policy of this endpoint.
 */
export function authorize(
  body: CommandBody,
  claims: CommandClaims,
  context: {
    readonly policy: CommandPolicy;
    readonly nowMs: number;
    readonly history: Pick<CommandHistory, 'forgottenUpToMs' | 'lostUpToMs'>;
    readonly undoOf: (key: CommandKey) => UndoData | undefined;
  },
): Authorization {
  const { policy, nowMs, history } = context;
  if (claims.iat * 1_000 <= history.lostUpToMs) return { ok: false, ...LOST };
  if (claims.iat * 1_000 > nowMs + MAX_AHEAD_MS) {
    return refused(
      'not_yet_valid',
      `it was signed at ${iso(claims.iat)}, and here it is ${new Date(nowMs).toISOString()}`,
    );
  }
  if (claims.exp * 1_000 <= nowMs || claims.iat * 1_000 <= history.forgottenUpToMs) {
    const here = `here it is ${new Date(nowMs).toISOString()}`;
    return { ok: false, state: 'expired', code: 'expired', message: `it expired at ${iso(claims.exp)}, and ${here}` };
  }
  const action = findAction(claims.action);
  if (action === undefined) {
    return { ok: false, state: 'unsupported', code: 'unknown_action', message: `this agent knows no ${claims.action}` };
  }
  const read = readCommand(body, claims, action, context.undoOf);
  if (!read.ok) return read;
  const { undoes } = read.command;
  const original = undoes === undefined ? undefined : findAction(undoes.data.action);
  const actions = original === undefined ? [action] : [action, original];
  if (!claims.dryRun && needsApproval(policy, ...actions) && !isApproved(claims)) {
    return refused('approval_missing', 'this endpoint runs it only when a second person has approved it');
  }
  return isAllowed(policy, ...actions)
    ? read
    : refused('action_not_allowed', `this endpoint is set not to run ${claims.action}`);
}

function readCommand(
  body: CommandBody,
  claims: CommandClaims,
  action: ActionDefinition,
  undoOf: (key: CommandKey) => UndoData | undefined,
): Authorization {
  const isUndo = action.name === UNDO_ACTION;
  const bound = body.binding !== null && !isUndo;
  const params = parseParams(action, claims.params, { bound });
  if (!params.ok) return refused('bad_params', sentence(params.faults));
  const command: AuthorizedCommand = {
    id: body.id as CommandId,
    number: body.number,
    action,
    params: params.params,
    dryRun: claims.dryRun,
    expiresAtMs: claims.exp * 1_000,
    signedAtMs: claims.iat * 1_000,
    timeoutMs: claims.timeoutMs,
    ...(body.binding !== null && { binding: body.binding }),
  };
  if (isUndo) return readUndo(command, undoOf);
  if (body.binding === null) return { ok: true, command };
  const binding = parseBinding(action, body.binding);
  return binding.ok
    ? { ok: true, command: { ...command, binding: binding.binding } }
    : refused('bad_params', sentence(binding.faults));
}

/** An undo names the command that it undoes; its binding names the number that this endpoint had there. */
function readUndo(command: AuthorizedCommand, undoOf: (key: CommandKey) => UndoData | undefined): Authorization {
  const { params, binding } = command;
  const [id, number] = [params['command'], binding?.['target']];
  if (typeof id !== 'string' || typeof number !== 'number' || !Number.isSafeInteger(number) || number < 1) {
    return refused('bad_params', 'an undo needs a command and, in its row, the number of the target');
  }
  const key = { id: id as CommandId, number };
  const data = undoOf(key);
  return data === undefined
    ? refused('nothing_kept', `this endpoint keeps nothing to undo target ${number} of ${id}, or it was undone already`)
    : { ok: true, command: { ...command, undoes: { key, data } } };
}

/** The person who submitted a command cannot approve it. */
function isApproved({ approver, operator }: CommandClaims): boolean {
  if (approver === undefined || approver.id === operator.id) return false;
  return approver.person === undefined || approver.person !== operator.person;
}

type Reason = Extract<CheckedCommand, { ok: false }>['reason'];

const AUTHENTICATION_FAULTS: Readonly<
  Record<Reason, { readonly code: AuthenticationFault; readonly message: string }>
> = {
  no_trust: { code: 'no_trust', message: 'this agent has pinned no root of trust for commands' },
  malformed: { code: 'malformed', message: 'the signed text is not a command' },
  wrong_type: { code: 'malformed', message: 'the signed text was made for another purpose' },
  wrong_algorithm: { code: 'malformed', message: 'the signature is of another algorithm than EdDSA' },
  unknown_key: { code: 'unknown_key', message: 'the key that signed it is in no list that this agent trusts' },
  retired_key: { code: 'retired_key', message: 'the key that signed it is retired' },
  bad_signature: { code: 'bad_signature', message: 'the signature does not fit' },
};

function rejected(code: AuthenticationFault, message: string): Authentication {
  return { kind: 'rejected', code, message };
}

function refused(code: string, message: string): Authorization {
  return { ok: false, state: 'refused', code, message };
}

function sentence(faults: readonly Fault[]): string {
  return faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
}

function iso(seconds: number): string {
  const ms = seconds * 1_000;
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${seconds} s`;
}
