import { defineConfig, field, loadConfig, type ConfigOf, type ConfigResult, type Env } from '@muster/runtime';
import { natsFields, streamFields } from '@muster/service-base/settings';

const definition = defineConfig({
  prefix: 'MUSTER_SETUP_',
  fields: {
    ...natsFields,
    ...streamFields,
    /** How long it waits for NATS, and for NATS to take the streams; then it ends with 1. */
    patienceMs: field.durationMs('MUSTER_SETUP_PATIENCE', { default: 120_000, min: 1_000 }),
  },
});

export type SetupConfig = ConfigOf<typeof definition>;

/** Every variable is described in `docs/settings.md`. */
export function loadSetupConfig(env: Env): ConfigResult<SetupConfig> {
  return loadConfig(definition, env);
}
