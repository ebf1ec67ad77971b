import { findAction, parseParams, type ActionDefinition } from '@muster/actions';
import type { CommandReply, SubmitCommand } from '@muster/messages';
import { AppError, type Params } from '@muster/protocol';
import type { Rollout } from '@muster/records';
import { approvalFor, targetLimit, type Approval, type Policy } from './approval-policy.js';
import { checkCaller, checkExpiry, checkReason, checkRollout, checkTimeout } from './check-request.js';
import { expandTarget, type FrozenTargets, type TargetDeps } from './expand-target.js';

export type CommandQuestion = Omit<SubmitCommand, 't'>;

/** An order that was found to make sense and to be allowed. */
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
 * Checks an order in the order in which a person would want to hear of faults, before anything is written or sent.
 * @throws AppError `bad_request`, `unknown_action`, `bad_params`, `bad_timeout`, `bad_rollout`, and what {@link expandTarget} throws.
 */
export async function planCommand(deps: PlanDeps, question: CommandQuestion): Promise<CommandPlan> {
  const { org, caller, target } = question;
  checkCaller(org, caller);
  const action = findAction(question.action);
  if (action === undefined || action.hidden === true) {
    throw new AppError('unknown_action', `there is no action ${question.action.slice(0, 80)}`, {
      details: { action: question.action.slice(0, 80) },
    });
  }
  const params = checkParams(action, question);
  const timeoutMs = question.timeoutMs ?? action.timeoutMs;
  checkExpiry(question.expiresInMs);
  checkTimeout(timeoutMs);
  checkReason(question.reason);
  const targets = await expandTarget(deps, { org, action, target, bound: caller.bound });
  const rollout = checkRollout(question.rollout, targets.count);
  return { action, params, targets, timeoutMs, rollout, approval: authorise(deps.policy(), question, action, targets) };
}

/** What the policy says of it. @throws AppError `too_many_targets`. */
export function authorise(
  policy: Policy,
  { caller, dryRun }: Pick<CommandQuestion, 'caller' | 'dryRun'>,
  action: ActionDefinition,
  { count, endpoints }: FrozenTargets,
): Approval | undefined {
  const limit = targetLimit(policy, caller.role);
  if (limit !== undefined && count > limit) {
    throw new AppError(
      'too_many_targets',
      `the role ${caller.role} may touch ${limit} targets at once, these are ${count}`,
      {
        details: { targets: count, limit, role: caller.role },
      },
    );
  }
  return approvalFor(policy, { action, dryRun, targets: count, endpoints });
}

export function planReply({ action, targets, approval }: CommandPlan): CommandReply {
  const { count, connected, endpoints } = targets;
  const unsupported = endpoints.filter(({ facts }) => !action.platforms.includes(facts.os)).length;
  return { t: 'plan', targets: count, connected, unsupported, ...(approval === undefined ? {} : { approval }) };
}

function checkParams(action: ActionDefinition, { params, target }: CommandQuestion): Params {
  const parsed = parseParams(action, params, { bound: 'rows' in target });
  if (parsed.ok) return parsed.params;
  const said = parsed.faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  throw new AppError('bad_params', `${action.name}: ${said.join('; ')}`, {
    details: { action: action.name, faults: parsed.faults },
  });
}
