import { findAction, parseParams, type ActionDefinition } from '@muster/actions';
import type { CommandReply, SubmitCommand } from '@muster/messages';
import { AppError, type Params } from '@muster/protocol';
import type { Approval, Role, Rollout } from '@muster/records';
import { approvalFor, targetLimit, type Policy } from './approval-policy.js';
import { checkCaller, checkExpiry, checkReason, checkRollout, checkTimeout } from './check-request.js';
import { expandTarget, type FrozenTargets, type TargetDeps } from './expand-target.js';

export type CommandSubmission = Omit<SubmitCommand, 't'>;

/** A submission that is valid and allowed. */
export interface CommandPlan {
  readonly action: ActionDefinition;
  readonly params: Params;
  readonly targets: FrozenTargets;
  readonly timeoutMs: number;
  readonly rollout: Rollout | undefined;
  readonly approval: Approval | undefined;
}

export interface PlanDeps extends TargetDeps {
  readonly policy: () => Policy;
}

/**
 * Checks a submission before anything is written or sent. Input faults come before those of targets and policy.
 * @throws AppError `bad_request`, `unknown_action`, `bad_params`, `bad_timeout`, `bad_rollout`, and what {@link expandTarget} throws.
 */
export async function planCommand(deps: PlanDeps, submission: CommandSubmission): Promise<CommandPlan> {
  const { org, caller, target } = submission;
  checkCaller(org, caller, 'commands:run');
  const action = findAction(submission.action);
  if (action === undefined || action.hidden === true) {
    throw new AppError('unknown_action', `there is no action ${submission.action.slice(0, 80)}`, {
      details: { action: submission.action.slice(0, 80) },
    });
  }
  const params = checkParams(action, submission);
  const timeoutMs = submission.timeoutMs ?? action.timeoutMs;
  checkExpiry(submission.expiresInMs);
  checkTimeout(timeoutMs);
  checkReason(submission.reason);
  const targets = await expandTarget(deps, { org, action, target, bound: caller.bound });
  const rollout = checkRollout(submission.rollout, targets.count);
  return {
    action,
    params,
    targets,
    timeoutMs,
    rollout,
    approval: authorise(deps.policy(), submission, action, targets),
  };
}

/** Applies the policy. @throws AppError `too_many_targets`. */
export function authorise(
  policy: Policy,
  { caller, dryRun }: Pick<CommandSubmission, 'caller' | 'dryRun'>,
  action: ActionDefinition,
  { count, endpoints }: FrozenTargets,
): Approval | undefined {
  checkTargetLimit(policy, caller.role, count);
  return approvalFor(policy, { action, dryRun, targets: count, endpoints });
}

/** @throws AppError `too_many_targets`. */
export function checkTargetLimit(policy: Policy, role: Role, targets: number): void {
  const limit = targetLimit(policy, role);
  if (limit === undefined || targets <= limit) return;
  throw new AppError('too_many_targets', `the role ${role} may touch ${limit} targets at once, these are ${targets}`, {
    details: { targets, limit, role },
  });
}

export function planReply({ action, targets, approval }: CommandPlan): CommandReply {
  const { count, connected, endpoints } = targets;
  const unsupported = endpoints.filter(({ facts }) => !action.platforms.includes(facts.os)).length;
  const { why, role } = approval ?? {};
  const needed = why === undefined || role === undefined ? {} : { approval: { why, role } };
  return { t: 'plan', targets: count, connected, unsupported, ...needed };
}

function checkParams(action: ActionDefinition, { params, target }: CommandSubmission): Params {
  const parsed = parseParams(action, params, { bound: 'rows' in target });
  if (parsed.ok) return parsed.params;
  const faults = parsed.faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  throw new AppError('bad_params', `${action.name}: ${faults.join('; ')}`, {
    details: { action: action.name, faults: parsed.faults },
  });
}
