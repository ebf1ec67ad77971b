import { join } from 'node:path';
import type { AgentId, OrgId } from '@muster/protocol';
import {
  type Env,
  type Clock,
  type Logger,
  type ProgramContext,
  runProgram,
  systemClock,
  takeProcessLock,
} from '@muster/runtime/program';
import { IsolationMonitor } from './actions/isolation/isolation-monitor.js';
import { openAgent } from './agent.js';
import { createAgentHost, programEnvironment } from './capabilities/commands/agent-host.js';
import { CommandHandler } from './capabilities/commands/command-handler.js';
import { HelloRenewal } from './capabilities/commands/hello-renewal.js';
import { MetricsHandler } from './capabilities/metrics/metrics-handler.js';
import { AssignedMode, pinnedMode } from './capabilities/modes/assigned-mode.js';
import { QueryDenylist } from './capabilities/queries/query-denylist.js';
import type { PackTrust } from './capabilities/queries/pack-runner.js';
import { QueryHandler } from './capabilities/queries/query-handler.js';
import { type AgentConfig, loadAgentConfig } from './config.js';
import { EventRecorder } from './events/event-recorder.js';
import { isEventKind } from './events/contract/recorded-events.js';
import { tracePlace } from './events/trace-place.js';
import { machineInstance } from './host/instance.js';
import { workerArguments } from './host/program-files.js';
import { elapsedTime, processCpuMs } from './metrics/elapsed-time.js';
import { HostHistory } from './metrics/history/host-history.js';
import { type HostReaderOptions, openHostReader } from './metrics/open-host-reader.js';
import { openDialer } from './network/dialer.js';
import { ConnectionManager } from './sessions/connection-manager.js';
import { DiskWatch } from './store/disk-watch.js';
import { openPrivateFolder, removeLeftovers } from './store/private-folder.js';
import { TrafficMeter } from './traffic/traffic-meter.js';
import { createConnect } from './transports/create-connect.js';
import { ActionPool } from './worker/action-pool.js';
import { workerEnvironment } from './worker/worker-environment.js';
import { WorkerProcesses } from './worker/worker-processes.js';

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
  const folder = config.dataDir;
  runner.defer('data directory', await lockDataDirectory(folder));
  runner.go('disk watch', new DiskWatch({ folder, clock, logger }));
  const meter = new TrafficMeter(clock);
  runner.go('traffic meter', { start: () => meter.start(), stop: () => meter.stop() });
  const dialer = await openDialer({ ...config, meter }, env);
  const renewal = new HelloRenewal({ clock, renew: () => sessions.renew() });
  const agent = openAgent(config, { dialer, clock, logger, onLabelsChanged: () => renewal.request() });
  const { enroller, facts, identity, labels, trust } = agent;
  logger.info('agent identity', { agentId: identity.agentId, host: facts.host });
  warnOfPlainText(config, logger);

  const recorder = openRecorder(config, { clock, logger });
  if (recorder !== undefined)
    runner.go('events', { start: async () => recorder.start(), stop: async () => recorder.stop() });
  const { processes, denylist, queries } = openQueries(config, {
    events: recorder,
    clock,
    logger,
    meter,
    env,
    agentId: identity.agentId,
    trust: { verifyPack: (ticket) => trust.verifyPack(ticket, config.org) },
  });
  runner.go('worker processes', { stop: (signal) => processes.stop(signal).then(() => {}) });
  runner.go('queries', { stop: () => queries.stop() });

  const host = createAgentHost({
    platform: facts.os,
    dataDir: folder,
    labels,
    protect: config.protect,
    // An isolated machine must still reach its gateways, and the proxies in front of them.
    gatewayUrls: config.gatewayUrls.flatMap((url) => [url, dialer.proxyFor(url)?.href ?? []].flat()),
    openEnds: () => sessions.ends,
    workerPids: () => processes.pids,
    refusedQueries: denylist,
    env,
    clock,
    logger,
  });
  const endpoint = { agentId: identity.agentId as AgentId, org: config.org as OrgId };
  const commands = new CommandHandler({
    endpoint,
    folder,
    policy: config,
    trust,
    enroller,
    host,
    actions: new ActionPool({ host, processes, protect: config.protect, env: programEnvironment(facts.os, env) }),
    renewal,
    clock,
    logger,
  });
  const isolation = new IsolationMonitor(host);
  runner.go('isolation', { start: () => isolation.start(), stop: () => isolation.stop() });
  runner.go('commands', { stop: (signal) => commands.stop(signal) });

  const programEnv = programEnvironment(facts.os, env);
  const metrics = openMetrics(config, { clock, workerPids: () => processes.pids, programEnv });
  for (const each of metrics) runner.go('metrics', { start: () => each.start(), stop: () => each.stop() });

  const mode = config.mode === 'auto' ? new AssignedMode({ folder, clock, logger }) : pinnedMode(config.mode);
  const instance = machineInstance(folder);
  let firstReady: () => void = () => {};
  const ready = new Promise<void>((resolve) => (firstReady = resolve));
  const sessions: ConnectionManager = new ConnectionManager({
    gateways: config.gatewayUrls,
    connect: createConnect({ dialer, meter, clock, logger, random: Math.random }),
    desired: mode,
    credentials: {
      token: () => identity.token(),
      setToken: (token) => identity.setToken(token),
      enrol: (signal) => enroller.enrol(signal),
      hello: (challenge, token) => identity.hello({ facts, labels: labels.read(), instance }, challenge, token),
      connectProof: (token) => identity.connectProof(token, clock.now()),
    },
    capabilities: [queries, commands, mode, ...metrics],
    clock,
    logger,
    onReady: firstReady,
  });
  runner.stopSignal.addEventListener('abort', firstReady, { once: true });
  runner.go('session', {
    // The agent is ready when a gateway holds its session. Until then this waits, however long it takes.
    start: () => {
      sessions.start();
      return ready;
    },
    stop: () => sessions.stop(),
  });
}

interface QueryContext {
  readonly agentId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: TrafficMeter;
  readonly env: Env;
  readonly trust: PackTrust;
  readonly events: EventRecorder | undefined;
}

function openQueries(config: AgentConfig, { clock, logger, meter, env, agentId, trust, events }: QueryContext) {
  const folder = config.dataDir;
  const processes = new WorkerProcesses({
    ...{ args: workerArguments(), env: workerEnvironment(env), folder, clock, logger },
    idleMs: config.workerIdleMs,
  });
  const denylist = new QueryDenylist({ folder, clock, logger });
  denylist.load();
  const queries = QueryHandler.open({
    ...{ denylist, processes, folder, trust, clock, logger, workers: config.workers },
    maxLowMs: config.maxLongQueryMs,
    maxBudget: { ms: config.maxQueryMs, rows: config.maxQueryRows, bytes: config.maxQueryBytes },
    about: { agentId, dataDir: folder },
    traffic: () => meter.read(),
    ...(events === undefined ? {} : { events: () => events.snapshot() }),
  });
  return { processes, denylist, queries };
}

/** None unless the settings say so. */
function openRecorder({ events, eventsKeepMs, eventsBytes, dataDir }: AgentConfig, context: EventContext) {
  const kinds = [...new Set(events.filter(isEventKind))];
  if (kinds.length === 0) return undefined;
  const place = tracePlace(machineInstance(dataDir));
  return new EventRecorder({ kinds, keepMs: eventsKeepMs, maxBytes: eventsBytes, place, ...context });
}

type EventContext = { readonly clock: Clock; readonly logger: Logger };

/** None when the settings say so. */
function openMetrics({ metrics }: AgentConfig, options: HostReaderOptions) {
  if (metrics === 'off') return [];
  const { clock } = options;
  const reader = openHostReader(options);
  const history = new HostHistory({ now: () => clock.now(), elapsedMs: elapsedTime(clock) });
  return [new MetricsHandler({ reader, history, clock, random: Math.random, cpuMs: processCpuMs })];
}

/**
 * Allows one agent per data directory: two agents with one key would supersede each other's sessions, and overwrite
 * each other's files. Resolves to a function that releases the lock.
 */
async function lockDataDirectory(folder: string): Promise<() => Promise<void>> {
  openPrivateFolder(folder);
  const lock = await takeProcessLock(join(folder, 'agent.lock'));
  if (lock.kind === 'locked') {
    removeLeftovers(folder);
    return () => lock.release();
  }
  throw new Error(
    `another agent (process ${lock.pid}) runs with the data directory ${folder}: stop it first, or set MUSTER_DATA_DIR to another one`,
  );
}

function warnOfPlainText({ gatewayUrls }: AgentConfig, logger: Logger): void {
  const plain = gatewayUrls.filter((url) => /^(ws|http):/.test(url));
  if (plain.length > 0)
    logger.warn('the connection to the gateway is not encrypted: others on the network can read answers', { plain });
}
