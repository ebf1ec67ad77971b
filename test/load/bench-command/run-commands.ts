import { setTimeout as delay } from 'node:timers/promises';
import type { Stack } from '@muster/local';
import { FleetProcess } from '../fleet/fleet-process.js';
import { CpuMeter, type CpuUse } from '../measure/process-cpu.js';
import { MEASURED_NODE_ARGS, profileArgs, settledBytes } from '../measure/process-memory.js';
import { apiOf, getJson, type ApiAccess } from '../measure/rest.js';
import { progress } from '../measure/run-bench.js';
import { BesideQueries } from './beside-queries.js';
import { submitCommand, timeAnsweredCommand, timeCommand, type CommandTimes } from './command-times.js';
import { journalSize } from '../measure/nats-traffic.js';
import { pidsOf, startBenchStack, type StackBenchOptions } from '../fleet/bench-stack.js';

export interface CommandBenchOptions extends StackBenchOptions {
  /** Commands to one endpoint each, and to all of them. */
  readonly singles: number;
  readonly wide: number;
}

export interface CommandFigures {
  /** Commands whose outcome came with the answer to the request. */
  readonly answeredMs: readonly number[];
  readonly singles: readonly CommandTimes[];
  readonly wide: readonly CommandTimes[];
  /** For a command to all endpoints, until it has ended. */
  readonly journalBytesPerTarget: number;
  readonly journalEntriesPerWide: number;
  /** Memory of the command service for each target of a command that waits for absent endpoints. */
  readonly memoryBytesPerTarget: number;
  readonly cpuMs: CpuUse;
  /** The same of a grouped query to all endpoints. */
  readonly queryCpuMs: CpuUse;
  /** As `answeredMs`, while all endpoints answer raw queries. */
  readonly besideQueriesMs: readonly number[];
}

/** Commands before the measurement, so that the code of the services is compiled; in a small fleet at most every other one. */
const WARM_UP = 200;
const ACTION = { action: 'dns.flush', params: {} };

/** Starts the whole product and a fleet, and times commands: to one endpoint, to all, and to all while they are absent. */
export async function runCommands(options: CommandBenchOptions): Promise<CommandFigures> {
  const { agents, connectsPerSecond } = options;
  const profile = profileArgs(options.profileFolder);
  const stack = await startBenchStack(options, {
    gateway: profile,
    command: [...MEASURED_NODE_ARGS, ...profile],
    api: profile,
  });
  let fleet: FleetProcess | undefined;
  try {
    fleet = await FleetProcess.startOn(stack, { agents, connectsPerSecond }, profile);
    const api = apiOf(stack);
    const ids = await liveAgents(api, options.singles + WARM_UP);
    const warmUp = Math.min(WARM_UP, Math.floor(ids.length / 2));
    progress(`${agents} agents live; ${options.singles} commands to one endpoint each`);
    const answeredMs: number[] = [];
    for (const id of ids) answeredMs.push(await timeAnsweredCommand(api, { ...ACTION, target: { agentIds: [id] } }));
    const singles: CommandTimes[] = [];
    for (const id of ids) singles.push(succeeded(await timeCommand(api, { ...ACTION, target: { agentIds: [id] } })));
    progress(`${options.wide} commands to all`);
    const wide: CommandTimes[] = [];
    const pids = pidsOf(stack, fleet, options.natsPid, 'command');
    const queries = await BesideQueries.of(api, { ...pids, query: stack.queries.map(({ pid }) => pid) });
    const before = await journalSize(options.natsMonitorUrl);
    const cpu = new CpuMeter(pids);
    for (let i = 0; i <= options.wide; i += 1) {
      if (i > 0) cpu.begin();
      wide.push(succeeded(await timeCommand(api, { ...ACTION, target: { selector: '' } })));
      await delay(500);
      if (i > 0) cpu.end();
      await queries.ask({ counts: i > 0 });
    }
    const after = await journalSize(options.natsMonitorUrl);
    const targets = agents * wide.length;
    progress('commands to one endpoint each while all answer raw queries');
    const bodies = ids.slice(warmUp).map((id) => ({ ...ACTION, target: { agentIds: [id] } }));
    const besideQueriesMs = await queries.timeCommands(bodies);
    progress('a command to all while they are absent');
    await fleet.stop();
    fleet = undefined;
    const memoryBytesPerTarget = await waitingBytes(stack, api, agents);
    return {
      answeredMs: answeredMs.slice(warmUp),
      singles: singles.slice(warmUp),
      // The first one runs code that is not compiled yet.
      wide: wide.slice(1),
      journalBytesPerTarget: (after.bytes - before.bytes) / targets,
      journalEntriesPerWide: (after.messages - before.messages) / wide.length,
      memoryBytesPerTarget,
      cpuMs: cpu.perRound(),
      queryCpuMs: queries.cpuMs(),
      besideQueriesMs,
    };
  } finally {
    await fleet?.stop();
    await stack.stop();
  }
}

function succeeded(times: CommandTimes): CommandTimes {
  const { ledger } = times;
  if (ledger['succeeded'] !== ledger['targeted']) {
    throw new Error(`a command of the bench did not succeed everywhere: ${JSON.stringify(ledger)}`);
  }
  return times;
}

async function waitingBytes(stack: Stack, api: ApiAccess, agents: number): Promise<number> {
  const pid = stack.commands[0]?.pid;
  if (pid === undefined) throw new Error('the stack has no command service');
  const COMMANDS = 4;
  const before = await settledBytes(pid);
  for (let i = 0; i < COMMANDS; i += 1) await submitCommand(api, { ...ACTION, target: { selector: '' } });
  return ((await settledBytes(pid)) - before) / (COMMANDS * agents);
}

async function liveAgents(api: ApiAccess, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor = ''; ids.length < count;) {
    const path = `/v1/agents?selector=mode%3Dlive&limit=200${cursor}`;
    const page = await getJson<{ items: { agentId: string }[]; nextCursor?: string }>(api, path);
    ids.push(...page.items.map(({ agentId }) => agentId));
    if (page.nextCursor === undefined) break;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
  return ids.slice(0, count);
}
