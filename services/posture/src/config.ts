import { defineConfig, loadConfig, type ConfigOf, type ConfigResult, type Env } from '@muster/runtime';
import { serviceFields } from '@muster/service-base';
import { recordFaults } from '@muster/service-base/settings';

const definition = defineConfig({
  prefix: 'MUSTER_POSTURE_',
  fields: { ...serviceFields },
  check: (config) => recordFaults(config),
});

export type PostureConfig = ConfigOf<typeof definition>;

/** Every variable is described in `docs/settings.md`. */
export function loadPostureConfig(env: Env): ConfigResult<PostureConfig> {
  return loadConfig(definition, env);
}
