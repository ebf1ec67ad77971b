import { operations } from '@muster/api-contract';
import { PERMISSIONS, roleAllows } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import { isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import { isPlatformAdmin } from '../http/principal.js';

/** Shows the caller their own principal. */
export function meOperation({ platformOrg }: { readonly platformOrg: OrgId }): Operation {
  return implement(operations.me, ({ principal }) => {
    const { kind, id, name, org, role, selector, expiresAtMs } = principal;
    return json(200, {
      kind,
      id,
      name,
      org,
      role,
      ...(selector === undefined ? {} : { selector }),
      ...(expiresAtMs === undefined ? {} : { expiresAt: isoTime(expiresAtMs) }),
      permissions: PERMISSIONS.filter((permission) => roleAllows(role, permission)),
      ...(isPlatformAdmin(principal, platformOrg) ? { platformAdmin: true } : {}),
    });
  });
}
