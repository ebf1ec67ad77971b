import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ProgramSettings } from '../stack/programs.js';
import { settingsOf } from './settings-of.js';

export interface RunOptions {
  /** Where everything is kept: `.muster`. */
  readonly folder: string;
  readonly gateways: number;
  readonly agent: boolean;
  /** Forget the data of earlier runs. */
  readonly fresh: boolean;
  /** Brokers that exist and are used instead of our own. */
  readonly natsUrl?: string;
  readonly redisUrl?: string;
  readonly logLevel: string;
  /** What the environment says of single programs. */
  readonly settings: ProgramSettings;
  /** Stop when this process is gone: npm does not pass on every signal that ends it. */
  readonly parentPid?: number;
}

export const USAGE = `npm start [-- options]

Runs all of Muster on this machine until Ctrl-C: brokers, gateways, query and command service, API and one agent.

  --gateways N   how many gateways, 1 to 16 (default 1)
  --no-agent     start no agent for this machine
  --fresh        forget the data of earlier runs first
  --help         show this

MUSTER_NATS_URL and MUSTER_REDIS_URL use brokers that exist. MUSTER_LOG_LEVEL sets how much .muster/logs tells.
MUSTER_GATEWAY_*, MUSTER_QUERY_*, MUSTER_COMMAND_*, MUSTER_API_* and MUSTER_AGENT_* go to these programs, except what the runner sets.`;

export type ParsedOptions =
  | { readonly kind: 'run'; readonly options: RunOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'fault'; readonly message: string };

/** Reads the runner's arguments and environment; a fault is told, not thrown. */
export function parseRunOptions(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string): ParsedOptions {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        gateways: { type: 'string', default: '1' },
        agent: { type: 'boolean', default: true },
        fresh: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
      allowNegative: true,
    }));
  } catch (error) {
    return { kind: 'fault', message: (error as Error).message };
  }
  if (values.help) return { kind: 'help' };
  const gateways = Number(values.gateways);
  if (!Number.isInteger(gateways) || gateways < 1 || gateways > 16) {
    return { kind: 'fault', message: `--gateways must be 1 to 16, not "${values.gateways}"` };
  }
  const natsUrl = env['MUSTER_NATS_URL'] || undefined;
  const redisUrl = env['MUSTER_REDIS_URL'] || undefined;
  return {
    kind: 'run',
    options: {
      folder: join(cwd, '.muster'),
      gateways,
      agent: values.agent,
      fresh: values.fresh,
      ...(natsUrl === undefined ? {} : { natsUrl }),
      ...(redisUrl === undefined ? {} : { redisUrl }),
      logLevel: env['MUSTER_LOG_LEVEL'] || 'info',
      settings: settingsOf(env),
      ...(env['npm_lifecycle_event'] === 'start' ? { parentPid: process.ppid } : {}),
    },
  };
}
