import { parseSigningJwks } from '@muster/identity';
import { defineConfig, field, loadConfig, type ConfigOf, type ConfigResult, type Env } from '@muster/runtime';
import { natsFields } from '@muster/service-base/settings';

const definition = defineConfig({
  prefix: 'MUSTER_SIGN_',
  fields: { ...natsFields, recordKeys: field.parsedSecret('MUSTER_RECORD_KEYS', parseSigningJwks) },
});

export type SignConfig = ConfigOf<typeof definition>;

/** The same variables as the API's. */
export function loadSignConfig(env: Env): ConfigResult<SignConfig> {
  return loadConfig(definition, env);
}
