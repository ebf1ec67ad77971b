import { findAction } from '@muster/actions';
import type { Directory } from '@muster/directory';
import { higherRole, maySamePerson, ROLES } from '@muster/identity';
import type { CommandCaller } from '@muster/messages';
import { AppError } from '@muster/protocol';
import type { Approval, Person } from '@muster/records';
import type { OpenCommand } from '../journal/open-command.js';
import { approvalFor, type Policy } from './approval-policy.js';
import { checkReach } from './check-request.js';
import { checkTargetLimit } from './plan-command.js';

export interface ApprovalContext {
  readonly policy: Policy;
  readonly directory: Pick<Directory, 'endpoints'>;
  readonly nowMs: number;
}

/**
 * Checks whether a caller may approve a command now, as the policy was when it was submitted and as it is now.
 * @throws AppError `conflict`, `self_approval`, `forbidden`, `too_many_targets`.
 */
export function checkApproval(command: OpenCommand, caller: CommandCaller, context: ApprovalContext): void {
  const { fold, record, id } = command;
  if (fold.status !== 'awaiting_approval') throw notWaiting(command);
  if (context.nowMs >= record.expiresAtMs) {
    throw new AppError('conflict', `command ${id} has expired`, { details: { id } });
  }
  const needed = neededNow(command, caller, context);
  if (isSamePerson(caller, record.operator, needed)) {
    throw new AppError(
      'self_approval',
      `command ${id} was ordered by you, or with credentials that count as yours; another person must approve it`,
      { details: { id } },
    );
  }
  if (ROLES.indexOf(caller.role) < ROLES.indexOf(needed.role)) {
    throw new AppError('forbidden', `approving command ${id} needs the role ${needed.role}`, {
      details: { id, needed: needed.role },
    });
  }
}

/** What the policy asked for at the submission together with what it asks for now. Whichever is stricter counts. */
function neededNow(
  { fold, record, id, org }: OpenCommand,
  caller: CommandCaller,
  { policy, directory }: ApprovalContext,
): Pick<Approval, 'role' | 'independent'> {
  const { nums } = fold;
  const endpoints = checkReach(directory, { id, org }, caller.bound, nums);
  checkTargetLimit(policy, record.operator.role, nums.length);
  const action = findAction(record.action);
  const { dryRun, approval } = record;
  const now = action && approvalFor(policy, { action, dryRun, targets: nums.length, endpoints });
  const role = higherRole(approval?.role ?? 'responder', now?.role ?? 'viewer');
  return { role, ...((approval?.independent ?? now?.independent) ? { independent: true } : {}) };
}

/** Two tokens with the same name belong to the same person, and so does what one of two has made. */
export function isSamePerson(
  one: CommandCaller,
  other: Person,
  { independent = false }: { readonly independent?: boolean },
): boolean {
  if (one.id === other.id || one.name.trim().toLowerCase() === other.name.trim().toLowerCase()) return true;
  return maySamePerson(one, other, { independent });
}

export function notWaiting({ id, fold }: OpenCommand): AppError {
  const by = fold.signature?.approver?.name;
  const why =
    fold.status === 'ended' ? 'has ended' : by === undefined ? 'does not wait for approval' : `was approved by ${by}`;
  return new AppError('conflict', `command ${id} ${why}`, { details: { id, status: fold.status } });
}
