import { ROLES } from '@muster/identity/roles';
import { z } from 'zod';
import { timestamp } from './fields.js';
import { defineOperations, jsonAnswer } from './operation.js';

export const meSchema = z
  .object({
    kind: z.enum(['token', 'oidc']),
    id: z.string(),
    name: z.string(),
    org: z.string(),
    role: z.enum(ROLES),
    selector: z.string().optional(),
    expiresAt: timestamp.optional(),
    permissions: z.array(z.string()),
    platformAdmin: z.literal(true).optional().meta({
      description: 'They also see what is counted over all orgs together; absent for everybody else.',
    }),
  })
  .meta({ id: 'Me' });

export const meOperations = defineOperations('me', {
  me: {
    method: 'get',
    path: '/v1/me',
    action: 'me.show',
    summary: 'Who these credentials belong to, and what they allow',
    access: 'any',
    answers: { 200: jsonAnswer('You.', meSchema) },
    problems: [],
  },
});
