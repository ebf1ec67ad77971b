import { selectorMatches, selectorSchema } from '@muster/protocol';
import type { CommandPolicy } from '@muster/messages';
import type { Approval, Role } from '@muster/records';
import { higherRole, ROLES } from '@muster/identity';
import { endpointLabel, type Endpoint } from '@muster/directory';
import type { ActionDefinition } from '@muster/actions';
import { parseDocument, type ParsedDocument } from '@muster/runtime';
import { z } from 'zod';

const count = z.number().int().min(1);
const rule = z.strictObject({
  actions: z.array(z.string().min(1)).min(1).optional(),
  minTargets: count.optional(),
  selector: selectorSchema.optional(),
  role: z.enum(ROLES).default('responder'),
  independent: z.boolean().default(false),
});

const policySchema = z.strictObject({
  limits: z.partialRecord(z.enum(ROLES), z.strictObject({ maxTargets: count })).default({}),
  approval: z.array(rule).default([]),
  packs: z.strictObject({ approval: z.boolean(), independent: z.boolean().default(false) }).optional(),
});

/** How many targets a role may have, and when a second person must approve: commands, and packs of checks. */
export type Policy = z.output<typeof policySchema>;
type ApprovalRule = Policy['approval'][number];

/** The policy without a file: no approvals, and only the limits of the protocol. */
export const OPEN_POLICY: Policy = { limits: {}, approval: [] };

export function parsePolicy(text: string): ParsedDocument<Policy> {
  return parseDocument(text, policySchema);
}

/** The policy as people are shown it. */
export function policyInForce({ limits, approval, packs }: Policy): CommandPolicy {
  return {
    limits: ROLES.flatMap((role) => {
      const { maxTargets } = limits[role] ?? {};
      return maxTargets === undefined ? [] : [{ role, maxTargets }];
    }),
    approval: approval.map(({ actions, minTargets, selector: of, role, independent }) => ({
      ...(actions === undefined ? {} : { actions }),
      ...(minTargets === undefined ? {} : { minTargets }),
      ...(of === undefined ? {} : { selector: of.text }),
      role,
      ...(independent ? { independent } : {}),
    })),
    ...(packs?.approval === true ? { packs: packs.independent ? { independent: true } : {} } : {}),
  };
}

export interface ApprovalRequest {
  readonly action: ActionDefinition;
  readonly dryRun: boolean;
  readonly targets: number;
  readonly endpoints: Iterable<Endpoint>;
}

/** Whether a second person must approve, why, and with which role at least. A dry run needs no approval. */
export function approvalFor(policy: Policy, request: ApprovalRequest): Approval | undefined {
  if (request.dryRun) return undefined;
  const rules = policy.approval.filter((each) => applies(each, request));
  const [first] = rules;
  if (first === undefined) return undefined;
  return {
    why: rules.map(describe).join('; '),
    role: rules.reduce((role, each) => higherRole(role, each.role), first.role),
    ...(rules.some(({ independent }) => independent) ? { independent: true } : {}),
  };
}

/** How many targets one command of a role may have; `undefined` without a limit. */
export function targetLimit(policy: Policy, role: Role): number | undefined {
  return policy.limits[role]?.maxTargets;
}

/** All conditions of a rule must hold. The selector holds when it matches any target. */
function applies({ actions, minTargets, selector: of }: ApprovalRule, request: ApprovalRequest): boolean {
  if (actions !== undefined && !actions.some((pattern) => namesAction(pattern, request.action))) return false;
  if (minTargets !== undefined && request.targets < minTargets) return false;
  if (of === undefined) return true;
  for (const endpoint of request.endpoints) if (selectorMatches(of.selector, endpointLabel(endpoint))) return true;
  return false;
}

function namesAction(pattern: string, { name, destructive }: ActionDefinition): boolean {
  if (pattern === 'destructive') return destructive;
  if (pattern === '*') return true;
  return pattern.endsWith('.*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

function describe({ actions, minTargets, selector: of }: ApprovalRule): string {
  const what = actions === undefined ? 'every action' : actions.join(', ');
  const many = minTargets === undefined ? '' : ` on ${minTargets} or more targets`;
  const where = of === undefined ? '' : ` where ${of.text}`;
  return `${what}${many}${where}`;
}
