import type { Env } from '@muster/runtime/program';
import type { ActionHost } from '../../actions/contract/action.js';
import { Protection } from '../../actions/contract/protection.js';
import { runProgram } from '../../actions/contract/run-program.js';
import { type NetworkEnd, urlEnd } from '../../network/network-end.js';

export interface AgentHostOptions extends Pick<
  ActionHost,
  'platform' | 'dataDir' | 'labels' | 'refusedQueries' | 'logger' | 'clock'
> {
  /** `MUSTER_AGENT_PROTECT` */
  readonly protect: readonly string[];
  readonly gatewayUrls: readonly string[];
  /** Both ends of the open connections to gateways. */
  readonly openEnds: () => readonly NetworkEnd[];
  readonly workerPids: () => readonly number[];
  /** The agent's own environment. Programs get only the variables that the system needs. */
  readonly env: Env;
}

/** Windows programs need these to find their own files. */
const WINDOWS_VARIABLES = [
  'SystemRoot',
  'windir',
  'SystemDrive',
  'ProgramData',
  'ProgramFiles',
  'PATH',
  'PATHEXT',
  'TEMP',
];

/** The environment of programs on this platform; `undefined` for the usual one. */
export function programEnvironment(
  platform: ActionHost['platform'],
  env: Env,
): Readonly<Record<string, string>> | undefined {
  return platform === 'windows' ? pick(env, WINDOWS_VARIABLES) : undefined;
}

/** Creates the host of the actions that run in the agent, and of those that worker processes run for it. */
export function createAgentHost(options: AgentHostOptions): ActionHost {
  const { platform, dataDir, labels, refusedQueries, logger, clock, protect, gatewayUrls, openEnds, env } = options;
  const base = programEnvironment(platform, env);
  const configured = gatewayUrls.map((url) => urlEnd(new URL(url)));
  return {
    platform,
    dataDir,
    labels,
    refusedQueries,
    logger,
    clock,
    get agentPids() {
      // Elsewhere the parents are found from the agent on.
      const parents = platform === 'windows' ? [process.ppid] : [];
      return [process.pid, ...parents, ...options.workerPids()];
    },
    // What runs in the agent touches only its own files.
    touch: () => {},
    run: (file, args, run) => runProgram(file, args, run, base),
    protect: new Protection(protect, platform),
    gatewayPeers: () => [...openEnds(), ...configured],
  };
}

/** Environment variables by name; on Windows names are case-insensitive. */
function pick(env: Env, names: readonly string[]): Record<string, string> {
  const wanted = new Map(names.map((name) => [name.toLowerCase(), name]));
  const found = Object.entries(env).flatMap(([key, value]) => {
    const name = wanted.get(key.toLowerCase());
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(found);
}
