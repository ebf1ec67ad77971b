import type { CommandCaller } from '@muster/messages';
import {
  AppError,
  isOrgId,
  LIMITS,
  PERSON_CHARS,
  type OrgId,
  boundedSelector,
  selectorMatches,
  type CommandId,
} from '@muster/protocol';
import type { AskedBy, Person, Rollout } from '@muster/records';
import { isRole, leastRole, roleAllows, type Permission } from '@muster/identity';
import { isCount, stepOf } from '../reconcile/rollout.js';
import { endpointLabel, type Directory, type Endpoint } from '@muster/directory';

/**
 * The API has checked the input of operators, and what they may do; this checks it again, and what any other caller on the bus sends.
 * @throws AppError `bad_request`, `forbidden`.
 */
export function checkCaller(org: OrgId, caller: CommandCaller, permission: Permission): void {
  if (!isOrgId(org)) throw new AppError('bad_request', 'the org is not a valid name', { details: { field: 'org' } });
  const { id, name, bound, from, role, person = '', origin = '' } = caller;
  if ([id, name, bound, from, person, origin].some((text) => typeof text !== 'string') || !isRole(role)) {
    throw new AppError('bad_request', 'the caller needs id, name, role, bound and from', {
      details: { field: 'caller' },
    });
  }
  if (Math.max(id.length, name.length) > PERSON_CHARS) {
    throw new AppError('bad_request', `the id and the name of an operator have at most ${PERSON_CHARS} characters`, {
      details: { field: 'caller' },
    });
  }
  if (roleAllows(role, permission)) return;
  throw new AppError('forbidden', `this needs the role ${leastRole(permission)}; yours is ${role}`, {
    details: { permission },
  });
}

/** What the journal keeps of who made a request. */
export function personOf({ id, name, person, origin }: CommandCaller): Person {
  return { id, name, ...(person === undefined ? {} : { person }), ...(origin === undefined ? {} : { origin }) };
}

/** What the audit record of the request has beside what the command has. */
export function askedBy({ from, person }: CommandCaller, selector?: string): AskedBy {
  return {
    from,
    ...(person === undefined ? {} : { person }),
    ...(selector === undefined ? {} : { scope: selector }),
  };
}

export function checkExpiry(expiresInMs: number): void {
  checkRange('expiresIn', 'the command must expire', expiresInMs, LIMITS.commandExpiryMinMs, LIMITS.commandExpiryMaxMs);
}

export function checkTimeout(timeoutMs: number): void {
  checkRange('timeout', 'the timeout must be', timeoutMs, 1_000, LIMITS.commandTimeoutMaxMs);
}

function checkRange(field: string, what: string, ms: number, minMs: number, maxMs: number): void {
  if (Number.isInteger(ms) && ms >= minMs && ms <= maxMs) return;
  throw new AppError('bad_timeout', `${what} from ${minMs / 1_000} s to ${maxMs / 1_000} s`, {
    details: { field, minMs, maxMs },
  });
}

export function checkReason(reason: string | undefined): void {
  if (reason === undefined || Buffer.byteLength(reason) <= LIMITS.reasonBytes) return;
  throw new AppError('bad_request', `the reason has more than ${LIMITS.reasonBytes} bytes`, {
    details: { field: 'reason' },
  });
}

/** Checks a rollout. A canary larger than the target set becomes the whole set. */
export function checkRollout(rollout: Rollout | undefined, targets: number): Rollout | undefined {
  if (rollout === undefined) return undefined;
  const { canary, step, pauseMs, abortOver } = rollout;
  const faults = [
    isCount(canary) ? undefined : 'canary is a number of targets from 1',
    stepOf(step, targets) === undefined
      ? 'step is a number of targets from 1, or a percentage from 1% to 100%'
      : undefined,
    Number.isInteger(pauseMs) && pauseMs >= 0 && pauseMs <= MAX_PAUSE_MS ? undefined : 'pause is from 0 to 24 hours',
    abortOver >= 0 && abortOver <= 1 ? undefined : 'abort_over is from 0% to 100%',
  ].filter((fault) => fault !== undefined);
  if (faults.length > 0) throw new AppError('bad_rollout', faults.join('; '), { details: { faults } });
  return { canary: Math.min(canary, targets), step, pauseMs, abortOver };
}

const MAX_PAUSE_MS = 24 * 3_600_000;

/**
 * Returns the endpoints of a command, each once, when all of them are within the operator's bound.
 * @throws AppError `forbidden`, `bad_selector`.
 */
export function checkReach(
  directory: Pick<Directory, 'endpoints'>,
  command: { readonly id: CommandId; readonly org: Endpoint['org'] },
  bound: string,
  nums: Iterable<number>,
): Endpoint[] {
  const { selector } = boundedSelector('', bound);
  const targets = new Set(nums);
  const found: Endpoint[] = [];
  for (const endpoint of directory.endpoints(command.org)) {
    if (!targets.has(endpoint.num)) continue;
    if (!selectorMatches(selector, endpointLabel(endpoint))) {
      throw new AppError('forbidden', `command ${command.id} has targets that your token does not reach`, {
        details: { id: command.id },
      });
    }
    found.push(endpoint);
  }
  return found;
}
