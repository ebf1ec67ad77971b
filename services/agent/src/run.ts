import { join } from 'node:path';
import {
  type Env,
  type Logger,
  type ProgramContext,
  runProgram,
  systemClock,
  takeProcessLock,
} from '@muster/runtime/program';
import { IsolationMonitor } from './actions/isolation/isolation-monitor.js';
import { openAgent } from './agent.js';
import { createAgentCommands } from './capabilities/commands/agent-commands.js';
import { createAgentHost } from './capabilities/commands/agent-host.js';
import { HelloRenewal } from './capabilities/commands/hello-renewal.js';
import { type AgentConfig, loadAgentConfig } from './config.js';
import { openWay } from './network/dialer.js';
import { queryWorker } from './host/program-files.js';
import { QueryDenylist } from './capabilities/queries/query-denylist.js';
import { QueryRunner } from './capabilities/queries/query-runner.js';
import { SessionQueries } from './capabilities/queries/session-queries.js';
import { createConnect } from './transports/create-connect.js';
import { ConnectionManager } from './sessions/connection-manager.js';
import { pinnedMode, AssignedMode } from './capabilities/modes/assigned-mode.js';
import { ensurePrivateFolder } from './store/atomic-file.js';
import { TrafficMeter } from './traffic/traffic-meter.js';
import { workerEnvironment } from './worker/worker-environment.js';
import { WorkerPool } from './worker/worker-pool.js';

/** `muster-agent run`: runs until a signal ends it. */
export function run(env: Env): Promise<void> {
  return runProgram({
    name: 'agent',
    env,
    load: loadAgentConfig,
    build: (config, context) => buildAgent(config, context, env),
  });
}

async function buildAgent(config: AgentConfig, { logger, runner }: ProgramContext, env: Env): Promise<void> {
  const clock = systemClock;
  runner.defer('data directory', await claimDataDirectory(config.dataDir));
  const meter = new TrafficMeter(clock);
  runner.go('traffic meter', { start: () => meter.start(), stop: () => meter.stop() });
  const way = await openWay({ ...config, meter }, env);
  const renewal = new HelloRenewal({ clock, renew: () => sessions.renew() });
  const agent = openAgent(config, { way, clock, logger, onLabelsChanged: () => renewal.request() });
  logger.info('agent identity', { agentId: agent.identity.agentId, host: agent.facts.host });
  warnOfPlainText(config, logger);

  const denylist = new QueryDenylist({ folder: config.dataDir, clock, logger });
  for (const query of denylist.load())
    logger.warn('the agent died while this query ran; it is refused for a day', { query });

  const queries = new QueryRunner({
    denylist,
    maxBudget: { ms: config.maxQueryMs, rows: config.maxQueryRows, bytes: config.maxQueryBytes },
    traffic: () => meter.read(),
    createPool: (onRoom) =>
      new WorkerPool({
        entry: queryWorker(),
        env: workerEnvironment(env),
        workers: config.workers,
        idleMs: config.workerIdleMs,
        clock,
        logger,
        onRoom,
      }),
  });
  runner.go('queries', {
    stop: async (signal) => {
      const { stuck } = await queries.stop(signal);
      if (stuck > 0) endByForce(stuck, logger);
    },
  });

  const host = createAgentHost({
    platform: agent.facts.os,
    dataDir: config.dataDir,
    labels: agent.labels,
    protect: config.protect,
    // An isolated machine must still reach its gateways, and the proxies on the way.
    gatewayUrls: config.gatewayUrls.flatMap((url) => [url, way.proxyFor(url)?.href ?? []].flat()),
    openEnds: () => sessions.ends,
    env,
    clock,
    logger,
  });
  const commands = createAgentCommands({ config, agent, host, renewal, clock, logger });
  const isolation = new IsolationMonitor(host);
  runner.go('isolation', { start: () => isolation.start(), stop: () => isolation.stop() });
  runner.go('commands', { stop: (signal) => commands.stop(signal) });

  let firstReady: () => void = () => {};
  const ready = new Promise<void>((resolve) => (firstReady = resolve));
  const sessions: ConnectionManager = new ConnectionManager({
    gateways: config.gatewayUrls,
    connect: createConnect({ way, meter, clock, logger, random: Math.random }),
    wanted:
      config.mode === 'auto' ? new AssignedMode({ folder: config.dataDir, clock, logger }) : pinnedMode(config.mode),
    clock,
    logger,
    credentials: {
      token: () => agent.identity.token(),
      setToken: (token) => agent.identity.setToken(token),
      enrol: (signal) => agent.enrol(signal),
      hello: (challenge, token) => agent.identity.hello(agent.describe(), challenge, token),
    },
    createWork: (connection) => [
      new SessionQueries({ connection, runner: queries, clock, logger }),
      commands.createWork(connection),
    ],
    onReady: ({ commandKeys }) => {
      commands.onWelcome(commandKeys);
      firstReady();
    },
  });
  runner.stopSignal.addEventListener('abort', firstReady, { once: true });
  runner.go('session', {
    // Ready means that a gateway holds a session of ours; until then this waits, however long it takes.
    start: () => {
      sessions.start();
      return ready;
    },
    stop: () => sessions.stop(),
  });
}

/** Two agents with one key would each be told that the other is newer; and they would write each other's notes. Resolves to the way to let go. */
async function claimDataDirectory(folder: string): Promise<() => Promise<void>> {
  ensurePrivateFolder(folder);
  const lock = await takeProcessLock(join(folder, 'agent.lock'));
  if (lock.kind === 'locked') return () => lock.release();
  throw new Error(
    `another agent (process ${lock.pid}) runs with the data directory ${folder}: stop it first, or set MUSTER_DATA_DIR to another one`,
  );
}

function warnOfPlainText({ gatewayUrls }: AgentConfig, logger: Logger): void {
  const plain = gatewayUrls.filter((url) => /^(ws|http):/.test(url));
  if (plain.length > 0)
    logger.warn('the way to the gateway is not encrypted: whoever is on it can read answers', { plain });
}

/** The last part of a stop. `process.exit` waits for every thread, so one that hangs in the kernel would keep us here for ever. */
function endByForce(stuck: number, logger: Logger): void {
  logger.error('query workers hang in a system call; ending by force', { stuck });
  process.kill(process.pid, 'SIGKILL');
}
