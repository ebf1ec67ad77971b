import { PERMISSIONS, roleAllows, ROLES } from '@muster/identity';
import { z } from 'zod';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { problems, timestamp } from '../http/schemas.js';
import { isoTime } from '../queries/query-json.js';

const meSchema = z
  .object({
    kind: z.enum(['token', 'oidc']),
    id: z.string(),
    name: z.string(),
    org: z.string(),
    role: z.enum(ROLES),
    selector: z.string().optional(),
    expiresAt: timestamp.optional(),
    permissions: z.array(z.string()),
  })
  .meta({ id: 'Me' });

/** Who the caller is. */
export function meOperation(): Operation {
  return defineOperation({
    id: 'me',
    method: 'get',
    path: '/v1/me',
    tag: 'me',
    action: 'me.show',
    summary: 'Who these credentials belong to, and what they allow',
    access: 'any',
    responses: { 200: { description: 'You.', content: { 'application/json': meSchema } }, ...problems() },
    handle: ({ principal: { kind, id, name, org, role, selector, expiresAtMs } }) =>
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
  });
}
