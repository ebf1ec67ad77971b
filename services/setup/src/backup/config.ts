import { defineConfig, loadConfig, type ConfigOf, type ConfigResult, type Env } from '@muster/runtime';
import { natsFields } from '@muster/service-base/settings';

const definition = defineConfig({ prefix: 'MUSTER_BACKUP_', fields: { ...natsFields } });

export type BackupConfig = ConfigOf<typeof definition>;

/** NATS alone. Its user is `backup`, unless another one is set. */
export function loadBackupConfig(env: Env): ConfigResult<BackupConfig> {
  return loadConfig(definition, env);
}
