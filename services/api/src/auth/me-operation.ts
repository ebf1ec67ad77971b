import { operations } from '@muster/api-contract';
import { PERMISSIONS, roleAllows } from '@muster/identity';
import { isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';

/** Shows the caller their own principal. */
export function meOperation(): Operation {
  return implement(operations.me, ({ principal: { kind, id, name, org, role, selector, expiresAtMs } }) =>
    json(200, {
      kind,
      id,
      name,
      org,
      role,
      ...(selector === undefined ? {} : { selector }),
      ...(expiresAtMs === undefined ? {} : { expiresAt: isoTime(expiresAtMs) }),
      permissions: PERMISSIONS.filter((permission) => roleAllows(role, permission)),
    }),
  );
}
