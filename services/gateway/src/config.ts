import { parseEnrollSecrets, parsePublicJwks, parseSigningJwks } from '@muster/identity';
import { LIMITS } from '@muster/protocol';
import {
  defineConfig,
  drainTimeoutOf,
  field,
  loadConfig,
  stopFields,
  type ConfigFault,
  type ConfigOf,
  type ConfigResult,
  type Env,
} from '@muster/runtime';
import { listenerFaults, listenerFields, serviceFields } from '@muster/service-base';
import { recordFaults } from '@muster/service-base/settings';

const definition = defineConfig({
  prefix: 'MUSTER_GATEWAY_',
  fields: {
    ...serviceFields,
    ...listenerFields,
    ...stopFields,
    host: field.text('MUSTER_GATEWAY_HOST', { default: '0.0.0.0' }),
    port: field.port('MUSTER_GATEWAY_PORT', { default: 8443 }),
    /** The keys that sign agent tokens, a private JWKS; the first one signs. */
    tokenKeys: field.parsedSecret('MUSTER_AGENT_TOKEN_KEYS', parseSigningJwks),
    enrollSecrets: field.parsedSecret('MUSTER_ENROLL_SECRETS', parseEnrollSecrets),
    /** The public keys that sign lists of command keys. No secret, but a document like the others, so it may be a file like them. */
    commandRoots: field.parsedSecret('MUSTER_COMMAND_ROOTS', parsePublicJwks, { optional: true }),
    transport: field.oneOf('MUSTER_GATEWAY_TRANSPORT', ['auto', 'uws', 'ws'], { default: 'auto' }),
    maxConnections: field.int('MUSTER_GATEWAY_MAX_CONNECTIONS', { optional: true, min: 1 }),
    upgradeRate: field.int('MUSTER_GATEWAY_UPGRADE_RATE', { default: 2_000, min: 1 }),
    upgradeBurst: field.int('MUSTER_GATEWAY_UPGRADE_BURST', { default: 4_000, min: 1 }),
    enrollRate: field.int('MUSTER_GATEWAY_ENROLL_RATE', { default: 100, min: 1 }),
    enrollBurst: field.int('MUSTER_GATEWAY_ENROLL_BURST', { default: 1_000, min: 1 }),
    orgIdentities: field.int('MUSTER_GATEWAY_ORG_IDENTITIES', { default: 100_000, min: 1 }),
    sessionMaxAgeMs: field.durationMs('MUSTER_GATEWAY_SESSION_MAX_AGE', { default: 12 * 3_600_000, min: 10_000 }),
    sessionSilenceMs: field.durationMs('MUSTER_GATEWAY_SESSION_SILENCE', {
      default: LIMITS.sessionSilenceMs,
      min: 8_000,
      max: 960_000,
    }),
    modePolicyFile: field.text('MUSTER_GATEWAY_MODE_POLICY_FILE', {
      optional: true,
      example: '/etc/muster/mode-policy.json',
    }),
    metricsPolicyFile: field.text('MUSTER_METRICS_POLICY_FILE', {
      optional: true,
      example: '/etc/muster/metrics-policy.json',
    }),
    drainSpreadMs: field.durationMs('MUSTER_GATEWAY_DRAIN_SPREAD', { default: 8_000 }),
    drainGraceMs: field.durationMs('MUSTER_GATEWAY_DRAIN_GRACE', { default: 5_000 }),
    answerMemoryBytes: field.bytes('MUSTER_GATEWAY_ANSWER_MEMORY', {
      default: 256 * 1024 * 1024,
      min: 16 * 1024 * 1024,
    }),
    /** Endpoints that hunts ask in a second, on this gateway: those that come back together are asked one after the other. */
    huntRate: field.int('MUSTER_GATEWAY_HUNT_RATE', { default: 1_000, min: 1 }),
    leaseMs: field.durationMs('MUSTER_GATEWAY_LEASE', { default: 15_000, min: 1_000, max: 30_000 }),
  },
  check: (config) => [...listenerFaults(config), ...drainFaults(config), ...recordFaults(config)],
});

interface DrainTimes {
  readonly stopTimeoutMs: number;
  readonly unreadyWaitMs: number;
  readonly drainSpreadMs: number;
  readonly drainGraceMs: number;
}

/** A drain that the stop does not wait for would close sessions that were told to move later. */
function drainFaults({ stopTimeoutMs, unreadyWaitMs, drainSpreadMs, drainGraceMs }: DrainTimes): ConfigFault[] {
  const needMs = unreadyWaitMs + drainSpreadMs + drainGraceMs;
  const leftMs = drainTimeoutOf(stopTimeoutMs);
  if (needMs <= leftMs) return [];
  const names = 'MUSTER_UNREADY_WAIT, MUSTER_GATEWAY_DRAIN_SPREAD and MUSTER_GATEWAY_DRAIN_GRACE';
  const fault = `leaves ${leftMs / 1_000} s for a drain, and ${names} are ${needMs / 1_000} s together`;
  return [{ name: 'MUSTER_STOP_TIMEOUT', fault, example: `${Math.ceil(needMs / 1_000) + 15}s` }];
}

export type GatewayConfig = ConfigOf<typeof definition>;

/** Every variable is described in `docs/settings.md`. */
export function loadGatewayConfig(env: Env): ConfigResult<GatewayConfig> {
  return loadConfig(definition, env);
}
