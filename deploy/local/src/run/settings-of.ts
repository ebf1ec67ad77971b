import type { ProgramKind, ProgramSettings } from '../stack/programs.js';

const KINDS: readonly ProgramKind[] = ['gateway', 'query', 'command', 'api', 'agent'];

/** Named like a setting of another program than the one it belongs to; the stack sets them where they belong. */
const ELSEWHERE = [
  'MUSTER_GATEWAY_URL',
  'MUSTER_GATEWAY_CA',
  'MUSTER_AGENT_TOKEN_KEYS',
  'MUSTER_AGENT_TOKEN_KEYS_FILE',
  'MUSTER_COMMAND_ROOTS',
  'MUSTER_COMMAND_ROOTS_FILE',
  'MUSTER_COMMAND_REQUEST_KEY',
  'MUSTER_COMMAND_REQUEST_KEY_FILE',
];

/** The variables of `env` that are named for one kind of program (`MUSTER_GATEWAY_…`), for each kind. */
export function settingsOf(env: NodeJS.ProcessEnv): ProgramSettings {
  const settings: Partial<Record<ProgramKind, Record<string, string>>> = {};
  for (const kind of KINDS) {
    const prefix = `MUSTER_${kind.toUpperCase()}_`;
    for (const [name, value] of Object.entries(env)) {
      if (value === undefined || !name.startsWith(prefix) || ELSEWHERE.includes(name)) continue;
      (settings[kind] ??= {})[name] = value;
    }
  }
  return settings;
}
