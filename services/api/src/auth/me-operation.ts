import { operations, type AnswerOf } from '@muster/api-contract';
import { PERMISSIONS, roleAllows } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import { isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import { isPlatformAdmin, type Principal } from '../http/principal.js';

/** Shows the caller their own principal. */
export function meOperation({ platformOrg }: { readonly platformOrg: OrgId }): Operation {
  return implement(operations.me, ({ principal }) => json(200, meJson(principal, platformOrg)));
}

export function meJson(principal: Principal, platformOrg: OrgId): AnswerOf<typeof operations.me> {
  const { kind, id, name, org, role, selector, expiresAtMs } = principal;
  return {
    kind,
    id,
    name,
    org,
    role,
    ...(selector === undefined ? {} : { selector }),
    ...(expiresAtMs === undefined ? {} : { expiresAt: isoTime(expiresAtMs) }),
    permissions: PERMISSIONS.filter((permission) => roleAllows(role, permission)),
    ...(isPlatformAdmin(principal, platformOrg) ? { platformAdmin: true as const } : {}),
  };
}
