import type { AgentId, OrgId } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import type { ActionHost } from '../../actions/contract/action.js';
import type { Agent } from '../../agent.js';
import type { AgentConfig } from '../../config.js';
import type { SessionConnection } from '../../contract/session-connection.js';
import type { SessionWork } from '../../contract/session-work.js';
import { CommandHistory } from './command-history.js';
import { takesCommands } from './command-policy.js';
import { CommandRunner } from './command-runner.js';
import { UndoStore } from './undo-store.js';
import { RootsRequest } from './roots-request.js';
import { SessionCommands } from './session-commands.js';
import type { HelloRenewal } from './hello-renewal.js';

export interface AgentCommandsOptions {
  readonly config: AgentConfig;
  readonly agent: Agent;
  readonly host: ActionHost;
  readonly renewal: HelloRenewal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Everything of an agent that has to do with commands. */
export interface AgentCommands {
  /** A session was welcomed; `keys` is the key list that came with it. */
  onWelcome(keys: string | undefined): void;
  createWork(connection: SessionConnection): SessionWork;
  stop(signal?: AbortSignal): Promise<void>;
}

/** Throws when the ledger cannot be read: an agent that does not know what it ran must not start. */
export function createAgentCommands({
  config,
  agent,
  host,
  renewal,
  clock,
  logger,
}: AgentCommandsOptions): AgentCommands {
  const { identity, trust } = agent;
  const folder = config.dataDir;
  const runner = new CommandRunner({
    endpoint: { agentId: identity.agentId as AgentId, org: config.org as OrgId },
    trust,
    policy: config,
    history: CommandHistory.open({ folder, clock, logger }),
    undo: new UndoStore({ folder, clock, logger }),
    host,
    loadActions: async () => (await import('../../actions/create-actions.js')).createActions(host),
    clock,
    logger,
    onAllKept: () => renewal.allKept(),
  });
  const request = new RootsRequest({
    trust,
    enrol: (signal) => agent.enrol(signal),
    onPinned: () => renewal.request(),
    clock,
    logger,
  });
  return {
    onWelcome: (keys) => {
      if (keys !== undefined) trust.acceptKeys(keys);
      if (agent.canEnrol && takesCommands(config)) request.onReady();
    },
    createWork: (connection) => new SessionCommands({ connection, runner }),
    stop: async (signal) => {
      request.stop();
      renewal.stop();
      await runner.stop(signal);
    },
  };
}
