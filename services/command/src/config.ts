import { parseRequestKeys, parseSigningJwks } from '@muster/identity';
import { defineConfig, field, loadConfig, type ConfigOf, type ConfigResult, type Env } from '@muster/runtime';
import { serviceFields } from '@muster/service-base';
import { recordFaults } from '@muster/service-base/settings';

const definition = defineConfig({
  prefix: 'MUSTER_COMMAND_',
  fields: {
    ...serviceFields,
    /** The keys that sign commands, a private JWKS. The first one signs. */
    keys: field.parsedSecret('MUSTER_COMMAND_KEYS', parseSigningJwks),
    /** The list of those keys, signed by the root. It is public, but may come from a file like the keys. */
    keyList: field.secret('MUSTER_COMMAND_KEY_LIST'),
    /** The key with which APIs seal their requests. */
    requestKey: field.parsedSecret('MUSTER_COMMAND_REQUEST_KEY', parseRequestKeys, { optional: true }),
    policyFile: field.text('MUSTER_COMMAND_POLICY_FILE', {
      optional: true,
      example: '/etc/muster/command-policy.json',
    }),
    /** Ended commands that stay in memory for lists. */
    keepEnded: field.int('MUSTER_COMMAND_KEEP_ENDED', { default: 100_000, min: 100 }),
    /** How long a request waits for the journal while the broker is away. */
    journalPatienceMs: field.durationMs('MUSTER_COMMAND_JOURNAL_PATIENCE', { default: 8_000, min: 100, max: 60_000 }),
  },
  check: (config) => recordFaults(config),
});

export type CommandConfig = ConfigOf<typeof definition>;

/** Every variable is described in `docs/settings.md`. */
export function loadCommandConfig(env: Env): ConfigResult<CommandConfig> {
  return loadConfig(definition, env);
}
