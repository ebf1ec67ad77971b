import {
  defineConfig,
  field,
  loadConfig,
  type ConfigFault,
  type ConfigOf,
  type ConfigResult,
  type Env,
} from '@muster/runtime';
import { remoteWriteFaults, remoteWriteFields } from '@muster/remote-write';
import { serviceFields } from '@muster/service-base';
import { recordFaults } from '@muster/service-base/settings';
import { parseFleetLabels, type FleetLabel } from './fleet/fleet-labels.js';

const definition = defineConfig({
  prefix: 'MUSTER_TELEMETRY_',
  fields: {
    ...serviceFields,
    ...remoteWriteFields,
    /** Labels that the fleet is counted by, each with the values that are told apart. */
    labels: field.text('MUSTER_TELEMETRY_LABELS', { default: '', example: 'env=prod|staging,site=fra|ber' }),
    /** Endpoints are forgotten when they send nothing for so long: three of the usual intervals. */
    expiryMs: field.durationMs('MUSTER_TELEMETRY_EXPIRY', { default: 180_000, min: 1_000 }),
    /** Rules of health, instead of the built-in ones. */
    healthPolicyFile: field.text('MUSTER_HEALTH_POLICY_FILE', {
      optional: true,
      example: '/etc/muster/health-policy.json',
    }),
    /** More endpoints than these are refused by one instance, about 900 bytes each. */
    maxEndpoints: field.int('MUSTER_TELEMETRY_MAX_ENDPOINTS', { default: 500_000, min: 1 }),
  },
  check: (config): readonly ConfigFault[] => {
    const parsed = parseFleetLabels(config.labels);
    const faults = parsed.ok ? [] : [{ name: 'MUSTER_TELEMETRY_LABELS', fault: parsed.fault }];
    return [...faults, ...remoteWriteFaults(config), ...recordFaults(config)];
  },
});

export type TelemetryConfig = ConfigOf<typeof definition>;

/** Every variable is described in `docs/settings.md`. */
export function loadTelemetryConfig(env: Env): ConfigResult<TelemetryConfig> {
  return loadConfig(definition, env);
}

export function fleetLabels({ labels }: Pick<TelemetryConfig, 'labels'>): readonly FleetLabel[] {
  const parsed = parseFleetLabels(labels);
  return parsed.ok ? parsed.labels : [];
}
