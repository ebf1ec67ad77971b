import type { ProgramKind, ProgramSettings } from '../stack/programs.js';

const KINDS: readonly ProgramKind[] = ['setup', 'gateway', 'query', 'command', 'telemetry', 'posture', 'api', 'agent'];

/** Settings whose prefix names another program than the one that reads them. The stack sets them itself. */
const MISLEADING = [
  'MUSTER_GATEWAY_URL',
  'MUSTER_GATEWAY_CA',
  'MUSTER_AGENT_TOKEN_KEYS',
  'MUSTER_AGENT_TOKEN_KEYS_FILE',
  'MUSTER_COMMAND_ROOTS',
  'MUSTER_COMMAND_ROOTS_FILE',
  'MUSTER_COMMAND_REQUEST_KEY',
  'MUSTER_COMMAND_REQUEST_KEY_FILE',
];

/** One name for all would make one service of them. */
const NAME_OF_ONE = 'OTEL_SERVICE_NAME';

/** Settings that no prefix tells: who reads them. */
const NAMED: Readonly<Record<string, ProgramKind>> = {
  MUSTER_HEALTH_POLICY_FILE: 'telemetry',
  MUSTER_METRICS_POLICY_FILE: 'gateway',
};

/**
 * The variables of `env` by kind of program, recognised by their prefix (`MUSTER_GATEWAY_…`) or their name. Those of
 * OpenTelemetry go to every service.
 */
export function settingsOf(env: NodeJS.ProcessEnv): ProgramSettings {
  const settings: Partial<Record<ProgramKind, Record<string, string>>> = {};
  for (const kind of KINDS) {
    const prefix = `MUSTER_${kind.toUpperCase()}_`;
    for (const [name, value] of Object.entries(env)) {
      if (value === undefined || MISLEADING.includes(name)) continue;
      const isForTraces = name.startsWith('OTEL_') && name !== NAME_OF_ONE && kind !== 'agent' && kind !== 'setup';
      if (!isForTraces && !name.startsWith(prefix) && NAMED[name] !== kind) continue;
      (settings[kind] ??= {})[name] = value;
    }
  }
  return settings;
}
