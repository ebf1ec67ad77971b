import { operations, type OperationContract } from '@muster/api-contract';
import { ACTIONS, findAction } from '@muster/actions';
import { AppError, isOrgId } from '@muster/protocol';
import { parseDocument, type Clock, type ParsedDocument } from '@muster/runtime';
import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import { isoTime } from '../http/json-members.js';
import type { Principal } from '../http/principal.js';

/**
 * What changes or asks something, by the names of the audit record. Signing in and out never needs a recent sign-in,
 * nor does reading, some of which is in the audit record too.
 */
const OPERATIONS = (Object.values(operations) as readonly OperationContract[])
  .filter(({ method, action, audited }) => audited === true && method !== 'get' && !action.startsWith('session.'))
  .map(({ action }) => action);
const ACTION_NAMES = ACTIONS.map(({ name }) => name);

/** With a token that a session makes, what no rule asks of tokens could be done. */
const AROUND = 'token.create';

/** Enough for a call that is sent again after a sign-in. */
const MIN_AGE_MS = 10_000;
const MAX_AGE_MS = 30 * 86_400_000;

/** `name`, `family.*` or `*`, each of which must name something; `extra` are words besides. */
function patterns(names: readonly string[], what: string, extra: readonly string[] = []) {
  const known = (text: string): boolean => extra.includes(text) || names.some((name) => matches(text, name));
  return z.array(z.string().refine(known, { error: ({ input }) => `${String(input)} is no ${what}` })).min(1);
}

const ruleSchema = z
  .strictObject({
    actions: patterns(ACTION_NAMES, 'action', ['destructive']).optional(),
    operations: patterns(OPERATIONS, 'operation that changes something').optional(),
    maxAge: z.string().transform((text, context) => {
      const ms = parseDurationMs(text);
      if (ms !== undefined && ms >= MIN_AGE_MS && ms <= MAX_AGE_MS) return ms;
      context.issues.push({ code: 'custom', message: 'must be a duration from 10s to 30d', input: text });
      return z.NEVER;
    }),
    org: z.string().refine(isOrgId, 'is not the name of an org').optional(),
  })
  .refine(
    ({ actions, operations: of }) => actions !== undefined || of !== undefined,
    'names neither actions nor operations',
  );

const policySchema = z.strictObject({ reauthentication: z.array(ruleSchema).default([]) });

/** What the file of `MUSTER_API_POLICY_FILE` says. */
export type ApiPolicy = z.output<typeof policySchema>;
type Rule = ApiPolicy['reauthentication'][number];

export const OPEN_POLICY: ApiPolicy = { reauthentication: [] };

export function parseApiPolicy(text: string): ParsedDocument<ApiPolicy> {
  return parseDocument(text, policySchema);
}

/**
 * Says which actions and operations need a recent sign-in of a session of the console. Tokens and JWTs are out of it: they are proven with
 * every call, and have no sign-in that could be old.
 */
export class Reauthentication {
  readonly #policy: () => ApiPolicy;
  readonly #clock: Clock;

  constructor({ policy, clock }: { readonly policy: () => ApiPolicy; readonly clock: Clock }) {
    this.#policy = policy;
    this.#clock = clock;
  }

  /** The rules of an org. */
  rulesOf(org: Principal['org']): readonly Rule[] {
    return this.#policy().reauthentication.filter((rule) => rule.org === undefined || rule.org === org);
  }

  /** Before an operation of the API, by its name in the audit record. @throws AppError `reauthentication_required` */
  checkOperation(principal: Principal, operation: string): void {
    if (!OPERATIONS.includes(operation)) return;
    this.#check(
      principal,
      (rule) => operation === AROUND || (rule.operations ?? []).some((one) => matches(one, operation)),
    );
  }

  /** Before an action is ordered, approved or undone; a dry run needs nothing. @throws AppError `reauthentication_required` */
  checkAction(principal: Principal, action: string, { dryRun = false }: { readonly dryRun?: boolean } = {}): void {
    if (dryRun) return;
    const isDestructive = findAction(action)?.destructive === true;
    this.#check(principal, ({ actions = [] }) =>
      actions.some((one) => (one === 'destructive' ? isDestructive : matches(one, action))),
    );
  }

  #check({ org, sessionId, authenticatedAtMs = 0 }: Principal, applies: (rule: Rule) => boolean): void {
    if (sessionId === undefined) return;
    const maxAgeMs = Math.min(
      ...this.rulesOf(org)
        .filter(applies)
        .map(({ maxAge }) => maxAge),
    );
    if (this.#clock.now() - authenticatedAtMs <= maxAgeMs) return;
    throw new AppError('reauthentication_required', 'the policy asks for a recent sign-in before this: sign in again', {
      details: { maxAgeMs, ...(authenticatedAtMs === 0 ? {} : { authenticatedAt: isoTime(authenticatedAtMs) }) },
    });
  }
}

function matches(pattern: string, name: string): boolean {
  if (pattern === '*') return true;
  return pattern.endsWith('.*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
