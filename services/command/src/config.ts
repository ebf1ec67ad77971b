import { parseRequestKeys, parseSigningJwks } from '@muster/identity';
import { defineConfig, field, loadConfig, type ConfigOf, type ConfigResult, type Env } from '@muster/runtime';

const definition = defineConfig({
  prefix: 'MUSTER_COMMAND_',
  fields: {
    healthHost: field.text('MUSTER_HEALTH_HOST', { default: '0.0.0.0' }),
    healthPort: field.port('MUSTER_HEALTH_PORT', { default: 9090 }),
    natsUrls: field.urls('MUSTER_NATS_URL', { protocols: ['nats', 'tls'] }),
    redisUrl: field.text('MUSTER_REDIS_URL', { example: 'redis://127.0.0.1:6379' }),
    /** The keys that sign commands, a private JWKS; the first one signs. */
    keys: field.secret('MUSTER_COMMAND_KEYS', {
      check: (text) => {
        const parsed = parseSigningJwks(text);
        return parsed.ok ? undefined : parsed.fault;
      },
    }),
    /** The list of those keys, signed by the root. Public, but handed over as the keys are. */
    keyList: field.secret('MUSTER_COMMAND_KEY_LIST'),
    /** What APIs seal their requests with. */
    requestKey: field.secret('MUSTER_COMMAND_REQUEST_KEY', {
      optional: true,
      check: (text) => {
        const parsed = parseRequestKeys(text);
        return parsed.ok ? undefined : parsed.fault;
      },
    }),
    policyFile: field.text('MUSTER_COMMAND_POLICY_FILE', {
      optional: true,
      example: '/etc/muster/command-policy.json',
    }),
    /** Ended commands that are kept in memory for lists. */
    keepEnded: field.int('MUSTER_COMMAND_KEEP_ENDED', { default: 100_000, min: 100 }),
    /** How long a request waits for the journal while the broker is away. */
    journalPatienceMs: field.durationMs('MUSTER_COMMAND_JOURNAL_PATIENCE', { default: 8_000, min: 100, max: 60_000 }),
  },
});

export type CommandConfig = ConfigOf<typeof definition>;

/** Every variable is described in `docs/operations.md`. */
export function loadCommandConfig(env: Env): ConfigResult<CommandConfig> {
  return loadConfig(definition, env);
}
