import { ROLES } from '@muster/identity/roles';
import { z } from 'zod';
import { count, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';

const serviceSchema = z
  .object({
    kind: z.enum(['gateway', 'query', 'command', 'telemetry', 'posture', 'api']),
    id: z.string(),
    state: z.enum(['ok', 'draining', 'silent']).meta({
      description:
        '`draining`: it stops in order. `silent`: it was there a moment ago, and is not heard; it may be gone, or out of reach.',
    }),
    version: z
      .string()
      .optional()
      .meta({ description: 'Absent where it does not say: it is silent, or of a version that could not.' }),
    startedAt: timestamp.optional().meta({ description: 'Of gateways, and of the API process that answers.' }),
    sessions: count.optional().meta({ description: 'Of a gateway: how many agents it holds, of all orgs.' }),
  })
  .meta({ id: 'Service' });

const servicesSchema = z
  .object({
    items: z.array(serviceSchema),
    inDoubt: z.boolean().meta({
      description:
        'There may be further ones, and silent ones may run: the registry has forgotten gateways for a moment, or this API has heard the broker for some seconds only.',
    }),
  })
  .meta({ id: 'ServiceList' });

const role = z.enum(ROLES);
const patterns = z.array(z.string()).optional();

const policiesSchema = z
  .object({
    reauthentication: z
      .array(z.object({ actions: patterns, operations: patterns, maxAgeMs: count }))
      .meta({ description: 'What needs a sign-in at the console that is no older than this.' }),
    sensitiveTables: z
      .array(z.object({ sensitivity: z.string(), role: z.enum([...ROLES, 'nobody']) }))
      .meta({ description: 'The lowest role that may ask tables with secrets or personal traces.' }),
    queryBudgets: z
      .array(z.object({ role, maxMs: count }))
      .meta({ description: 'How long a query of a role may take on one endpoint.' }),
    commands: z
      .object({
        limits: z
          .array(z.object({ role, maxTargets: count }))
          .meta({ description: 'Roles without one have no limit.' }),
        approval: z.array(
          z.object({
            actions: patterns,
            minTargets: count.optional(),
            selector: z.string().optional(),
            role: role.meta({ description: 'The lowest role of the second person.' }),
            independent: z.literal(true).optional(),
          }),
        ),
        packs: z
          .object({ independent: z.literal(true).optional() })
          .optional()
          .meta({ description: 'Where a second person must approve packs.' }),
      })
      .nullable()
      .meta({ description: 'As one of the command services has it. Null where none answers.' }),
  })
  .meta({ id: 'Policies' });

const enrolmentSecretSchema = z
  .object({
    name: z.string().meta({ description: 'One that was given no name has one that is derived, and begins with `~`.' }),
    state: z.enum(['active', 'expired', 'full', 'gone', 'unknown']).meta({
      description:
        '`gone`: endpoints have enrolled with it, and no gateway has it any more. `unknown`: none that answered has it, and not all have (`complete`).',
    }),
    identities: count.meta({
      description: 'How many identities there are that enrolled with it, revoked ones among them.',
    }),
    gateways: z.enum(['all', 'some', 'none']).meta({
      description: 'Which of the gateways that answered have it; `some` while files change, or where they differ.',
    }),
    expiresAt: timestamp.optional(),
    maxIdentities: count.optional(),
    perMinute: count.optional().meta({ description: 'At each gateway.' }),
    labels: z.record(z.string(), z.string()).optional().meta({ description: 'What endpoints get that enrol with it.' }),
  })
  .meta({ id: 'EnrolmentSecret', description: 'Where gateways differ, what the first of them says.' });

const enrolmentSecretsSchema = z
  .object({
    items: z.array(enrolmentSecretSchema),
    complete: z.boolean().meta({
      description:
        'Whether all gateways answered, one at least; those of a version before cannot. False too while the registry may have forgotten some.',
    }),
    unnamed: count.meta({ description: 'Identities of which no secret is known: versions before kept none.' }),
  })
  .meta({ id: 'EnrolmentSecretList' });

export const systemOperations = defineOperations('system', {
  listServices: {
    method: 'get',
    path: '/v1/services',
    action: 'service.list',
    summary: 'Gateways and services: which there are, how they fare, and their versions',
    description:
      'Gateways as the registry has them, services by their heartbeats of the last ten minutes. Of APIs the one that answers: they do not know of each other.',
    access: 'system:read',
    platform: true,
    answers: { 200: jsonAnswer('All that is known of.', servicesSchema) },
    problems: [],
  },
  showPolicies: {
    method: 'get',
    path: '/v1/policies',
    action: 'policy.show',
    summary: 'The policies that are in force for your org',
    description:
      'Of this API, and of a command service. The policies of gateways for channels and samples, and the rules of health, are not among them.',
    access: 'system:read',
    answers: { 200: jsonAnswer('The policies.', policiesSchema) },
    problems: [],
  },
  listEnrolmentSecrets: {
    method: 'get',
    path: '/v1/enrolment-secrets',
    action: 'enrolment_secret.list',
    summary: 'With which secrets endpoints may enrol in your org: names, bounds, how many have; never the secrets',
    description:
      'Secrets are files of gateways, and no API can read, make or change them. Refused for who is bounded by a selector.',
    access: 'system:read',
    answers: { 200: jsonAnswer('The secrets, by name.', enrolmentSecretsSchema) },
    problems: [],
  },
});

export type ServiceJson = Json<typeof serviceSchema>;
export type ServicesJson = Json<typeof servicesSchema>;
export type PoliciesJson = Json<typeof policiesSchema>;
export type EnrolmentSecretJson = Json<typeof enrolmentSecretSchema>;
export type EnrolmentSecretsJson = Json<typeof enrolmentSecretsSchema>;
