import type { Values } from './values.js';

type Schema = { [key: string]: unknown };

/** Mappings whose keys an installation chooses. */
const OPEN =
  /(?:^|\.)(?:settings|policies|commonLabels|commonAnnotations|annotations|env|podLabels|podAnnotations|nodeSelector|affinity|labels|limits|requests)$/;

const QUANTITY = { type: ['string', 'number'] };
const PORT = { type: 'integer', minimum: 1, maximum: 65_535 };
const DNS_NAME = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$' };

/** What a type does not say. The first that fits counts. */
const RULES: readonly (readonly [path: RegExp, schema: Schema])[] = [
  [/\.(?:limits|requests)$/, { type: 'object', additionalProperties: QUANTITY }],
  [/^resources$|\.resources$/, resources()],
  [/Replicas$|\.replicas$/, { type: 'integer', minimum: 1 }],
  [/targetCPUUtilizationPercentage$/, { type: 'integer', minimum: 1, maximum: 100 }],
  [/Seconds$/, { type: 'integer', minimum: 0 }],
  [/PerGateway$|PerService$/, { type: 'integer', minimum: 1 }],
  [/\.service\.type$/, { enum: ['LoadBalancer', 'NodePort', 'ClusterIP'] }],
  [/externalTrafficPolicy$/, { enum: ['', 'Local', 'Cluster'] }],
  [/pullPolicy$/, { enum: ['Always', 'IfNotPresent', 'Never'] }],
  [/pullSecrets$/, listOf({ type: 'object', required: ['name'], properties: { name: { type: 'string' } } })],
  [/issuer\.kind$/, { enum: ['ClusterIssuer', 'Issuer'] }],
  [/hostname$/, DNS_NAME],
  [/^org$/, { type: 'string', minLength: 1 }],
  [/brokers\.natsUrl$/, { type: 'string', pattern: '^(nats|tls)://[^,]+(,(nats|tls)://[^,]+)*$' }],
  [/brokers\.redisUrl$/, { type: 'string', pattern: '^rediss?://[^,]+(,rediss?://[^,]+)*$' }],
  [/externalBrokers\.cidrs$/, listOf({ type: 'string', pattern: '^[0-9a-fA-F.:]+/[0-9]+$' })],
  [/externalBrokers\.ports$/, listOf(PORT)],
  [/loadBalancerSourceRanges$/, listOf({ type: 'string', pattern: '^[0-9a-fA-F.:]+/[0-9]+$' })],
  [/maxFileStore$/, { type: 'string', pattern: '^[0-9]+[KMGT]?B?$' }],
  [/prometheusAddress$/, { type: 'string', pattern: '^https?://' }],
  [/(?:tolerations|extraEnv|extraVolumes|extraVolumeMounts)$/, listOf({ type: 'object' })],
  [/nodeSelector$|[lL]abels$|[aA]nnotations$/, { type: 'object', additionalProperties: { type: 'string' } }],
  [
    /(?:^|\.)(?:settings|env)$/,
    {
      type: 'object',
      propertyNames: { pattern: '^[A-Z][A-Z0-9_]*$' },
      additionalProperties: { type: ['string', 'number', 'boolean'] },
    },
  ],
  [/^policies$/, { type: 'object', additionalProperties: { type: 'string' } }],
];

/** JSON Schema of the values: a name that is not known is a fault, so is a value of another type. */
export function schemaOf(values: Values): Schema {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Muster', ...node(values, '') };
}

function node(value: unknown, path: string): Schema {
  const rule = RULES.find(([pattern]) => pattern.test(path))?.[1];
  if (rule !== undefined) return rule;
  if (typeof value !== 'object' || value === null) return { type: typeof value };
  if (OPEN.test(path)) return { type: 'object' };
  const properties = Object.entries(value).map(([key, inner]) => [
    key,
    node(inner, path === '' ? key : `${path}.${key}`),
  ]);
  // Charts that have this one as a part may give it `global`.
  const shared = path === '' ? { global: { type: 'object' } } : {};
  return {
    type: 'object',
    properties: { ...(Object.fromEntries(properties) as Schema), ...shared },
    additionalProperties: false,
  };
}

function listOf(items: Schema): Schema {
  return { type: 'array', items };
}

function resources(): Schema {
  const amounts = { type: 'object', additionalProperties: QUANTITY };
  return { type: 'object', properties: { requests: amounts, limits: amounts }, additionalProperties: false };
}
