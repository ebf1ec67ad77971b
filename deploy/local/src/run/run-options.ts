import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ProgramSettings } from '../stack/programs.js';
import { settingsOf } from './settings-of.js';

export interface RunOptions {
  /** The folder of all data: `.muster`. */
  readonly folder: string;
  readonly gateways: number;
  readonly agent: boolean;
  /** Start Prometheus as well, on this port; 0: on a free one. */
  readonly observe?: number;
  /** Delete the data of earlier runs. */
  readonly fresh: boolean;
  /** Brokers that run already and are used instead of own ones. */
  readonly natsUrl?: string;
  readonly redisUrl?: string;
  /**
   * `own`, the default: each kind of service has its own user at NATS, with its own rights. A NATS that runs already is
   * used with all rights.
   */
  readonly natsRights: 'own' | 'all';
  readonly logLevel: string;
  /** The variables of the environment for single programs. */
  readonly settings: ProgramSettings;
  /** Stop when this process has ended: npm does not forward every signal. */
  readonly parentPid?: number;
}

export const USAGE = `npm start [-- options]

Runs all of Muster on this machine until Ctrl-C: brokers, gateways, query and command service, API and one agent.

  --gateways N   how many gateways, 1 to 16 (default 1)
  --no-agent     start no agent for this machine
  --observe      start Prometheus too, with the rules of deploy/observability (--observe-port N: its port)
  --fresh        delete the data of earlier runs first
  --help         show this

MUSTER_NATS_URL and MUSTER_REDIS_URL name brokers that run already. MUSTER_NATS_RIGHTS=all gives every service all rights there. MUSTER_LOG_LEVEL sets the level of .muster/logs.
MUSTER_GATEWAY_*, MUSTER_QUERY_*, MUSTER_COMMAND_*, MUSTER_API_* and MUSTER_AGENT_* are passed to these programs, except those that the runner sets.`;

export type ParsedOptions =
  | { readonly kind: 'run'; readonly options: RunOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'fault'; readonly message: string };

/** Parses the runner's arguments and environment. A fault is returned, not thrown. */
export function parseRunOptions(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string): ParsedOptions {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        gateways: { type: 'string', default: '1' },
        agent: { type: 'boolean', default: true },
        observe: { type: 'boolean', default: false },
        'observe-port': { type: 'string' },
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
  const observe = observePort(values.observe, values['observe-port']);
  if (typeof observe === 'string') return { kind: 'fault', message: observe };
  const natsUrl = env['MUSTER_NATS_URL'] || undefined;
  const redisUrl = env['MUSTER_REDIS_URL'] || undefined;
  return {
    kind: 'run',
    options: {
      folder: join(cwd, '.muster'),
      gateways,
      agent: values.agent,
      fresh: values.fresh,
      ...(observe === undefined ? {} : { observe }),
      ...(natsUrl === undefined ? {} : { natsUrl }),
      ...(redisUrl === undefined ? {} : { redisUrl }),
      natsRights: natsUrl !== undefined || env['MUSTER_NATS_RIGHTS'] === 'all' ? 'all' : 'own',
      logLevel: env['MUSTER_LOG_LEVEL'] || 'info',
      settings: settingsOf(env),
      ...(env['npm_lifecycle_event'] === 'start' ? { parentPid: process.ppid } : {}),
    },
  };
}

/** The port of Prometheus; undefined where it is not wanted; a text says what is wrong. */
function observePort(wanted: boolean, text: string | undefined): number | string | undefined {
  if (text === undefined) return wanted ? 0 : undefined;
  const port = Number(text);
  return Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : `--observe-port must be a port, not "${text}"`;
}
