import { ROLES } from '@muster/identity/roles';
import { z } from 'zod';
import { timestamp } from './fields.js';
import { defineOperation, type Json } from './operation.js';

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

export const me = defineOperation({
  id: 'me',
  method: 'get',
  path: '/v1/me',
  tag: 'me',
  action: 'me.show',
  summary: 'Who these credentials belong to, and what they allow',
  access: 'any',
  answers: { 200: { description: 'You.', content: { 'application/json': meSchema } } },
  problems: [],
});

export type MeJson = Json<typeof meSchema>;
