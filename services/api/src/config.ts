import { isRole, parseOperatorToken, parseRequestKeys, parseSigningJwks } from '@muster/identity';
import { listenerFaults, listenerFields, serviceFields } from '@muster/service-base';
import { recordFaults } from '@muster/service-base/settings';
import { isOrgId, type OrgId } from '@muster/protocol';
import type { Role } from '@muster/records';
import {
  defineConfig,
  field,
  loadConfig,
  type ConfigFault,
  type ConfigOf,
  type ConfigResult,
  type ConnectionBounds,
  type Env,
} from '@muster/runtime';
import { z } from 'zod';
import type { ShareBounds } from './http/shares.js';
import { parseRetentionRules, type RetentionRule } from './queries/retention-policy.js';
import { type BudgetRule, DEFAULT_BUDGETS, parseBudgetRules } from './queries/budget-policy.js';
import { parseTableRules, type TableRule } from './queries/table-policy.js';

const orgSchema = z.string().refine(isOrgId, 'must be lower-case letters, digits and "-"') as unknown as z.ZodType<
  OrgId,
  string
>;

/** `group=role` pairs between commas. */
const roleMapSchema = z.string().transform((text, context): Readonly<Record<string, Role>> => {
  const pairs = text.split(',').map((pair) => {
    const at = pair.lastIndexOf('=');
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const;
  });
  const wrong = pairs.find(([name, role]) => name === '' || !isRole(role));
  if (wrong === undefined) return Object.fromEntries(pairs) as Record<string, Role>;
  context.issues.push({
    code: 'custom',
    message: 'must be pairs value=role; roles are viewer, analyst, responder, admin',
    input: text,
  });
  return z.NEVER;
});

/** `[org/]sensitivity=role` pairs between commas. */
const tableRulesSchema = z.string().transform((text, context): readonly TableRule[] => {
  const rules = parseTableRules(text);
  if (typeof rules !== 'string') return rules;
  context.issues.push({ code: 'custom', message: rules, input: text });
  return z.NEVER;
});

/** `role=duration` pairs between commas. */
const budgetRulesSchema = z.string().transform((text, context): readonly BudgetRule[] => {
  const rules = parseBudgetRules(text);
  if (typeof rules !== 'string') return rules;
  context.issues.push({ code: 'custom', message: rules, input: text });
  return z.NEVER;
});

/** `org=duration` pairs between commas. */
const retentionRulesSchema = z.string().transform((text, context): readonly RetentionRule[] => {
  const rules = parseRetentionRules(text);
  if (typeof rules !== 'string') return rules;
  context.issues.push({ code: 'custom', message: rules, input: text });
  return z.NEVER;
});

const DAY_MS = 86_400_000;

const definition = defineConfig({
  prefix: 'MUSTER_API_',
  fields: {
    ...serviceFields,
    ...listenerFields,
    host: field.text('MUSTER_API_HOST', { default: '0.0.0.0' }),
    port: field.port('MUSTER_API_PORT', { default: 8080 }),
    bootstrapToken: field.secret('MUSTER_BOOTSTRAP_TOKEN', {
      optional: true,
      check: (text) => (parseOperatorToken(text).ok ? undefined : 'is not a whole operator token (mst_…)'),
    }),
    bootstrapOrg: field.custom('MUSTER_BOOTSTRAP_ORG', orgSchema, { default: 'default' as OrgId, example: 'default' }),
    platformOrg: field.custom('MUSTER_PLATFORM_ORG', orgSchema, { optional: true, example: 'platform' }),
    commandRequestKey: field.parsedSecret('MUSTER_COMMAND_REQUEST_KEY', parseRequestKeys, { optional: true }),
    /** The keys that sign records which decide rights, a private JWKS; the first one signs. */
    recordKeys: field.parsedSecret('MUSTER_RECORD_KEYS', parseSigningJwks, { optional: true }),
    oidcIssuer: field.url('MUSTER_OIDC_ISSUER', { optional: true, protocols: ['https', 'http'] }),
    oidcAudience: field.text('MUSTER_OIDC_AUDIENCE', { optional: true, example: 'muster' }),
    oidcJwksUrl: field.url('MUSTER_OIDC_JWKS_URL', { optional: true, protocols: ['https', 'http'] }),
    oidcRoleClaim: field.text('MUSTER_OIDC_ROLE_CLAIM', { default: 'roles', example: 'realm_access.roles' }),
    oidcRoleMap: field.custom('MUSTER_OIDC_ROLE_MAP', roleMapSchema, {
      default: { viewer: 'viewer', analyst: 'analyst', responder: 'responder', admin: 'admin' } as Readonly<
        Record<string, Role>
      >,
      example: 'it-admins=admin,soc=responder',
    }),
    oidcOrg: field.custom('MUSTER_OIDC_ORG', orgSchema, { optional: true, example: 'default' }),
    oidcOrgClaim: field.text('MUSTER_OIDC_ORG_CLAIM', { optional: true, example: 'tenant' }),
    oidcSelectorClaim: field.text('MUSTER_OIDC_SELECTOR_CLAIM', { optional: true, example: 'muster_selector' }),
    /** The built files of the console. */
    consoleDir: field.text('MUSTER_API_CONSOLE_DIR', { optional: true, example: '/app/console' }),
    /** The address under which browsers reach the console, for links and for the identity provider. */
    publicUrl: field.url('MUSTER_API_PUBLIC_URL', { optional: true, protocols: ['https', 'http'] }),
    sessionIdleMs: field.durationMs('MUSTER_API_SESSION_IDLE', { default: 3_600_000, min: 300_000, max: 30 * DAY_MS }),
    sessionMaxMs: field.durationMs('MUSTER_API_SESSION_MAX', { default: DAY_MS / 2, min: 60_000, max: 30 * DAY_MS }),
    oidcClientId: field.text('MUSTER_OIDC_CLIENT_ID', { optional: true, example: 'muster-console' }),
    oidcClientSecret: field.secret('MUSTER_OIDC_CLIENT_SECRET', { optional: true }),
    oidcScopes: field.text('MUSTER_OIDC_SCOPES', { default: 'openid profile email', example: 'openid profile groups' }),
    /** Who may ask tables that hold secrets or personal traces. */
    tableRules: field.custom('MUSTER_API_SENSITIVE_TABLES', tableRulesSchema, {
      default: [] as readonly TableRule[],
      example: 'personal=responder,acme/secret=nobody',
    }),
    /** How long a query of a role may take on one endpoint. */
    budgetRules: field.custom('MUSTER_API_QUERY_BUDGETS', budgetRulesSchema, {
      default: DEFAULT_BUDGETS,
      example: 'analyst=1m,admin=10m',
    }),
    /** For how long the results of an org's queries are kept. */
    retentionRules: field.custom('MUSTER_API_RESULT_AGES', retentionRulesSchema, {
      optional: true,
      example: 'acme=7d',
    }),
    /** What needs a recent sign-in at the console. */
    policyFile: field.text('MUSTER_API_POLICY_FILE', { optional: true, example: '/etc/muster/api-policy.json' }),
    requestRate: field.int('MUSTER_API_REQUEST_RATE', { default: 1_000, min: 1 }),
    requestBurst: field.int('MUSTER_API_REQUEST_BURST', { default: 2_000, min: 1 }),
    unusedIdentityMs: field.durationMs('MUSTER_API_UNUSED_IDENTITY_AGE', { default: 30 * DAY_MS, max: 3_650 * DAY_MS }),
    /** Where the newest record of each audit chain is put down, besides the log. */
    auditHeadsFile: field.text('MUSTER_API_AUDIT_HEADS_FILE', {
      optional: true,
      example: '/var/lib/muster/audit-heads.ndjson',
    }),
    auditHeadsMs: field.durationMs('MUSTER_API_AUDIT_HEADS_EVERY', { default: 300_000, min: 1_000, max: DAY_MS }),
    maxRequestsPerOrg: field.int('MUSTER_API_MAX_REQUESTS_PER_ORG', { optional: true, min: 1 }),
    maxRequestsPerOperator: field.int('MUSTER_API_MAX_REQUESTS_PER_OPERATOR', { optional: true, min: 1 }),
    maxViewers: field.int('MUSTER_API_MAX_VIEWERS', { default: 1_000, min: 1 }),
    maxViewersPerOrg: field.int('MUSTER_API_MAX_VIEWERS_PER_ORG', { optional: true, min: 1 }),
    maxViewersPerOperator: field.int('MUSTER_API_MAX_VIEWERS_PER_OPERATOR', { optional: true, min: 1 }),
    maxConnections: field.int('MUSTER_API_MAX_CONNECTIONS', { default: 10_000, min: 1 }),
    maxPerAddress: field.int('MUSTER_API_MAX_CONNECTIONS_PER_ADDRESS', { optional: true, min: 1 }),
    maxUnproven: field.int('MUSTER_API_MAX_UNPROVEN_CONNECTIONS', { optional: true, min: 1 }),
    /** Inner networks that webhooks may be posted to, also without TLS. */
    webhookNetworks: field.proxies('MUSTER_API_WEBHOOK_NETWORKS'),
    headTimeoutMs: field.durationMs('MUSTER_API_HEAD_TIMEOUT', { default: 10_000, min: 100, max: 600_000 }),
    requestTimeoutMs: field.durationMs('MUSTER_API_REQUEST_TIMEOUT', { default: 30_000, min: 100, max: 600_000 }),
  },
  check: (config): readonly ConfigFault[] => {
    const faults = [...listenerFaults(config), ...recordFaults(config, config.recordKeys !== undefined)];
    if (config.headTimeoutMs > config.requestTimeoutMs) {
      faults.push({ name: 'MUSTER_API_HEAD_TIMEOUT', fault: 'must not be above MUSTER_API_REQUEST_TIMEOUT' });
    }
    if (config.oidcClientId !== undefined && config.publicUrl === undefined) {
      faults.push({ name: 'MUSTER_API_PUBLIC_URL', fault: 'is not set, but MUSTER_OIDC_CLIENT_ID is' });
    }
    if (config.oidcClientId !== undefined && config.oidcIssuer === undefined) {
      faults.push({ name: 'MUSTER_OIDC_ISSUER', fault: 'is not set, but MUSTER_OIDC_CLIENT_ID is' });
    }
    if (config.oidcIssuer === undefined) return faults;
    for (const [name, value] of [
      ['MUSTER_OIDC_AUDIENCE', config.oidcAudience],
      ['MUSTER_OIDC_JWKS_URL', config.oidcJwksUrl],
    ] as const) {
      if (value === undefined) faults.push({ name, fault: 'is not set, but MUSTER_OIDC_ISSUER is' });
    }
    if ((config.oidcOrg === undefined) === (config.oidcOrgClaim === undefined)) {
      faults.push({
        name: 'MUSTER_OIDC_ORG',
        fault: 'or MUSTER_OIDC_ORG_CLAIM must be set with MUSTER_OIDC_ISSUER, not both',
      });
    }
    return faults;
  },
});

export type ApiConfig = ConfigOf<typeof definition>;

/** Every variable is described in `docs/settings.md`. */
export function loadApiConfig(env: Env): ConfigResult<ApiConfig> {
  return loadConfig(definition, env);
}

/** The bounds of connections; `fit` is how many the limit of file descriptors allows. */
export function connectionBounds(config: ApiConfig, fit: number): ConnectionBounds {
  const total = Math.min(config.maxConnections, fit);
  return {
    total,
    perAddress: config.maxPerAddress ?? shareOf(total, 1 / 5),
    unproven: config.maxUnproven ?? shareOf(total, 1 / 5),
  };
}

/** How many event streams may be open. */
export function viewerBounds({ maxViewers: total, maxViewersPerOrg, maxViewersPerOperator }: ApiConfig): ShareBounds {
  return {
    total,
    perOrg: maxViewersPerOrg ?? shareOf(total, 1 / 2),
    perOperator: maxViewersPerOperator ?? shareOf(total, 1 / 10),
  };
}

/** How many requests may be in progress. Each holds a connection, so their total is that of connections. */
export function requestBounds(config: ApiConfig, fit: number): ShareBounds {
  const { total } = connectionBounds(config, fit);
  return {
    total,
    perOrg: config.maxRequestsPerOrg ?? shareOf(total, 1 / 2),
    perOperator: config.maxRequestsPerOperator ?? shareOf(total, 1 / 10),
  };
}

function shareOf(total: number, share: number): number {
  return Math.max(1, Math.floor(total * share));
}
