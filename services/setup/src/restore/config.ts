import { defineConfig, loadConfig, type ConfigOf, type ConfigResult, type Env } from '@muster/runtime';
import { natsFields, streamFields } from '@muster/service-base/settings';

const { streamReplicas } = streamFields;
const definition = defineConfig({ prefix: 'MUSTER_RESTORE_', fields: { ...natsFields, streamReplicas } });

export type RestoreConfig = ConfigOf<typeof definition>;

/** NATS, and `MUSTER_STREAM_REPLICAS`. Its user is `setup`, unless another one is set. */
export function loadRestoreConfig(env: Env): ConfigResult<RestoreConfig> {
  return loadConfig(definition, env);
}
