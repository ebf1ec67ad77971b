import { mkdir } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { Stack } from '@muster/local';
import { timeCommand, type CommandTimes } from '../bench-command/command-times.js';
import { timeQuery } from '../bench-query/time-query.js';
import { startBenchStack } from '../fleet/bench-stack.js';
import { FleetGroup, processesFor } from '../fleet/fleet-group.js';
import { turnMeterArgs, turnsOf } from '../measure/event-loop-turns.js';
import { MEASURED_NODE_ARGS, profileArgs, residentBytes, settledBytes } from '../measure/process-memory.js';
import { apiOf, type ApiAccess } from '../measure/rest.js';
import { progress, type BenchBrokers } from '../measure/run-bench.js';
import { quantile } from '../measure/statistics.js';
import { look } from './look.js';
import { PhaseMeter, type Window } from './phase-meter.js';
import { pidsByRole, SERVICES, type Pids, type Service } from './roles.js';
import type { Phase, StepFigures, Turns } from './step-figures.js';

export interface StepOptions {
  readonly agents: number;
  readonly tls: boolean;
  readonly sql: string;
  /** Of each question and of the command. */
  readonly repetitions: number;
  /** Default: as many as the file descriptors need. */
  readonly gateways?: number;
  /** How many query, command and telemetry services each. */
  readonly services?: number;
  readonly profileFolder?: string;
}

/** Endpoints that come and leave before the measurement: code that the first ones load and compile is no cost of later ones. */
const WARM_UP_AGENTS = 400;
const CONNECTS_PER_SECOND = 3_000;
const IDLE_MS = 5_000;
/** Those of the warm-up are enrolled later on too, and absent. */
const WARM = { labels: { warm: 'yes' }, selector: 'warm=yes', others: '!warm' };
/** The simulated action, which costs an endpoint nothing. */
const ACTION = { action: 'dns.flush', params: {} };

/** Starts the whole product for a fleet of this size, and takes it through all phases. */
export async function runStep(brokers: BenchBrokers, options: StepOptions): Promise<StepFigures> {
  const { agents, tls, gateways = processesFor(agents), services = 1, profileFolder } = options;
  const turnFolder = join(brokers.folder, 'turns');
  await mkdir(turnFolder, { recursive: true });
  const measured = [...MEASURED_NODE_ARGS, ...turnMeterArgs(turnFolder), ...profileArgs(profileFolder)];
  const nodeArgs = Object.fromEntries(SERVICES.map((service) => [service, measured]));
  const stackOptions = {
    ...{ ...brokers, folder: join(brokers.folder, 'stack') },
    ...{ agents, gateways, tls, connectsPerSecond: CONNECTS_PER_SECOND },
  };
  const stack = await startBenchStack(stackOptions, nodeArgs, {
    ...{ postures: 1, queries: services, commands: services, telemetries: services },
  });
  const meter = new PhaseMeter(brokers.natsMonitorUrl);
  const pids = pidsByRole(stack, brokers, []);
  let measurements: Omit<StepFigures, 'turns'>;
  try {
    measurements = await new Step(stack, brokers, options, meter).run();
  } finally {
    await stack.stop();
  }
  return { ...measurements, turns: readTurns(turnFolder, pids, meter.windows) };
}

class Step {
  readonly #stack: Stack;
  readonly #brokers: BenchBrokers;
  readonly #options: StepOptions;
  readonly #meter: PhaseMeter;
  readonly #api: ApiAccess;

  constructor(stack: Stack, brokers: BenchBrokers, options: StepOptions, meter: PhaseMeter) {
    this.#stack = stack;
    this.#brokers = brokers;
    this.#options = options;
    this.#meter = meter;
    this.#api = apiOf(stack);
  }

  async run(): Promise<Omit<StepFigures, 'turns'>> {
    const { agents, tls } = this.#options;
    await this.#warmUp();
    const emptyBytes = await this.#memory();
    await this.#meter.idle(this.#pids([]), IDLE_MS);
    await this.#enrol();
    let fleet: FleetGroup | undefined;
    try {
      fleet = await this.#timed('connect', () => FleetGroup.start(this.#stack, this.#fleet()));
      const fullBytes = await fleet.during(this.#memory());
      const commands = await fleet.during(
        this.#ask(fleet, { repetitions: this.#options.repetitions, selector: WARM.others }),
      );
      const connected = await fleet.connected();
      if (connected !== agents) throw new Error(`${connected} of ${agents} endpoints are connected at the end`);
      return {
        ...{
          agents,
          tls,
          gateways: this.#stack.gateways.length,
          phases: this.#meter.figures(),
          idleMsPerSecond: this.#meter.idlePerSecond(),
          emptyBytes,
          fullBytes,
        },
        acceptedMs: quantile(
          commands.map(({ acceptedMs }) => acceptedMs),
          0.5,
        ),
        reachedMs: quantile(
          commands.map(({ reachedMs }) => reachedMs),
          0.5,
        ),
        load: loadavg()[0] ?? 0,
      };
    } finally {
      await fleet?.stop();
    }
  }

  #fleet() {
    const { agents, profileFolder } = this.#options;
    return { agents, seed: 1, connectsPerSecond: CONNECTS_PER_SECOND, nodeArgs: profileArgs(profileFolder) };
  }

  async #warmUp(): Promise<void> {
    const agents = Math.min(WARM_UP_AGENTS, this.#options.agents);
    const fleet = await FleetGroup.start(this.#stack, {
      ...{ agents, seed: 2, connectsPerSecond: CONNECTS_PER_SECOND, labels: WARM.labels },
    });
    try {
      const meter = new PhaseMeter(this.#brokers.natsMonitorUrl);
      const unmeasured = new Step(this.#stack, this.#brokers, this.#options, meter);
      await fleet.during(unmeasured.#ask(fleet, { repetitions: 2, selector: WARM.selector }));
    } finally {
      await fleet.stop();
    }
  }

  /** Both kinds of questions, what consoles read, and commands to all. */
  async #ask(
    fleet: FleetGroup,
    { repetitions, selector }: { readonly repetitions: number; readonly selector: string },
  ): Promise<CommandTimes[]> {
    const commands: CommandTimes[] = [];
    const pids = () => this.#pids(fleet.pids);
    for (const form of ['group', 'raw'] as const) {
      await this.#meter.measure(form, pids, repetitions, () => this.#question(form));
    }
    await this.#meter.measure('look', pids, 1, () => look(this.#api));
    await this.#meter.measure('command', pids, Math.ceil(repetitions / 2), async () => {
      const times = await timeCommand(this.#api, { ...ACTION, target: { selector } });
      const { ledger } = times;
      if (ledger['succeeded'] !== ledger['targeted']) {
        throw new Error(`a command did not succeed everywhere: ${JSON.stringify(ledger)}`);
      }
      commands.push(times);
      return times.endedMs;
    });
    return commands;
  }

  async #question(form: 'group' | 'raw'): Promise<number> {
    const result = await timeQuery(this.#api, { sql: this.#options.sql, mode: form, timeout: '120s' });
    const { answered, targeted } = result.ledger;
    if (result.state !== 'complete' || answered !== targeted) {
      throw new Error(`a question was not answered by all: ${JSON.stringify(result)}`);
    }
    return result.completeMs;
  }

  async #enrol(): Promise<void> {
    const enrolled = await this.#timed('enrol', () => FleetGroup.enrol(this.#stack, this.#fleet()));
    await enrolled.stop();
  }

  /** What a phase starts belongs to its processor time. */
  async #timed(phase: Phase, start: () => Promise<FleetGroup>): Promise<FleetGroup> {
    progress(`${this.#options.agents} endpoints: ${phase}`);
    const begin = performance.now();
    let fleet: FleetGroup | undefined;
    const run = async (): Promise<number> => {
      fleet = await start();
      return performance.now() - begin;
    };
    await this.#meter.measure(phase, () => this.#pids(fleet?.pids ?? []), 1, run);
    if (fleet === undefined) throw new Error('the fleet did not start');
    return fleet;
  }

  #pids(fleet: readonly number[]): Pids {
    return pidsByRole(this.#stack, this.#brokers, fleet);
  }

  /** Brokers keep their own memory: only what is resident can be said. */
  async #memory(): Promise<StepFigures['fullBytes']> {
    const pids = this.#pids([]);
    const settled = SERVICES.map(async (service) => {
      const bytes = await Promise.all(pids[service].map(settledBytes));
      return [service, sum(bytes)] as const;
    });
    const brokers = (['nats', 'redis'] as const).map((role) => [role, sum(pids[role].map(residentBytes))] as const);
    return Object.fromEntries([...(await Promise.all(settled)), ...brokers]) as StepFigures['fullBytes'];
  }
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

/** Garbage collections that the bench itself asks for are between the windows. */
function readTurns(folder: string, pids: Pids, windows: readonly Window[]): Record<Service, Turns> {
  const entries = SERVICES.map((service): [Service, Turns] => {
    const all: number[] = [];
    let [longest, longestIn]: [number, Phase | ''] = [0, ''];
    for (const pid of pids[service]) {
      for (const { phase, from, to } of windows) {
        const turns = turnsOf(folder, pid, [from, to]);
        all.push(...turns);
        const most = turns.reduce((so, turn) => Math.max(so, turn), 0);
        if (most > longest) [longest, longestIn] = [most, phase];
      }
    }
    return [service, { p99: quantile(all, 0.99), longest, longestIn }];
  });
  return Object.fromEntries(entries) as Record<Service, Turns>;
}
