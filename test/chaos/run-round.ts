import { setTimeout as delay } from 'node:timers/promises';
import { describeFault, type Fault } from './faults/fault.js';
import { inject } from './faults/injector.js';
import { CommandLoad } from './load/command-load.js';
import { QueryLoad } from './load/query-load.js';
import { BOUNDS_MS } from './oracle/bounds.js';
import { Judge } from './oracle/judge.js';
import { Stalls } from './oracle/stalls.js';
import { describeViolation, type Violation } from './oracle/violation.js';
import { ChaosRecord } from './record/chaos-record.js';
import type { FaultInterval } from './record/observations.js';
import type { ChannelBehaviour, CommandBehaviour } from '../simulator/index.js';
import { ChaosSystem, type Front, type SystemOptions } from './system/chaos-system.js';
import { becomesWhole } from './system/wholeness.js';

export interface RoundOptions {
  readonly agents: number;
  readonly seed: number;
  readonly front: Front;
  /** The faults, one after the other. */
  readonly faults: Iterable<Fault>;
  /** No fault begins after so long. */
  readonly forMs: number;
  readonly mode?: ChannelBehaviour['mode'];
  /** Settings of all gateways, and of the second one besides. */
  readonly gatewayEnv?: SystemOptions['gatewayEnv'];
  readonly secondGatewayEnv?: SystemOptions['secondGatewayEnv'];
  /** The folder of the version before, with which the round begins. */
  readonly from?: SystemOptions['from'];
  readonly env?: SystemOptions['env'];
  readonly load?: Partial<LoadShape>;
  /** What endpoints do with commands. */
  readonly commands?: Partial<CommandBehaviour>;
  /** What bounds of time are multiplied by: 1, and more where the machine is busy with other things. */
  readonly patience: number;
  /** Where the record is written. */
  readonly recordFile?: string;
  readonly print: (text: string) => void;
  /** Its owner goes away: what is frozen must go on, so that it notices. */
  readonly signal?: AbortSignal;
}

/** How much is asked and ordered. */
export interface LoadShape {
  /** Callers who ask one question after the other; fewer than one operator may run at once. */
  readonly askers: number;
  readonly commandsPerSecond: number;
  /** Commands that may be under way at once; further ones are not sent. */
  readonly ordersAtOnce: number;
  /** The shortest and the longest time of all questions; without it a share is in a hurry. */
  readonly timeoutMs?: readonly [number, number];
}

const LOAD: LoadShape = { askers: 5, commandsPerSecond: 10, ordersAtOnce: 60 };

/** What became of a round. */
export interface RoundResult {
  readonly violations: readonly Violation[];
  readonly questions: number;
  readonly commands: number;
  readonly faults: number;
}

/** The load runs alone before each fault. */
const CALM_MS = 3_000;
/** After so long without becoming whole, the round goes on with the next fault. */
const GIVE_UP_WHOLE_MS = 120_000;

/** So many violations of one rule are printed; all are in the record. */
const PRINTED_PER_RULE = 5;

/** One round: the system under load, one fault after the other, and what the oracle has to say. */
export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const record = new ChaosRecord(options.recordFile);
  const onEvent = (text: string): void => record.note('event', { text });
  const system = await ChaosSystem.start({ ...options, onEvent });
  options.signal?.addEventListener('abort', () => void system.resume());
  try {
    return await new Round(options, system, record).run();
  } finally {
    await system.stop();
    await record.close();
  }
}

class Round {
  readonly #options: RoundOptions;
  readonly #system: ChaosSystem;
  readonly #record: ChaosRecord;
  readonly #faults: FaultInterval[] = [];
  readonly #violations: Violation[] = [];
  readonly #printed = new Map<string, number>();
  readonly #stalls = new Stalls();
  readonly #judge: Judge;

  constructor(options: RoundOptions, system: ChaosSystem, record: ChaosRecord) {
    this.#options = options;
    this.#system = system;
    this.#record = record;
    const { patience } = options;
    const report = (violation: Violation): void => this.#report(violation);
    const versions = options.from === undefined ? 'one' : 'mixed';
    this.#judge = new Judge({ system, faults: this.#faults, stalls: this.#stalls, patience, versions, report });
  }

  async run(): Promise<RoundResult> {
    const { harness } = this.#system;
    const common = { harness, record: this.#record, seed: this.#options.seed, ...LOAD, ...this.#options.load };
    const agents = await harness.api.all('GET /v1/agents', { pageSize: 500 });
    const queries = new QueryLoad(common);
    const commandLoad = new CommandLoad(
      common,
      agents.map(({ agentId }) => agentId),
    );
    queries.start();
    commandLoad.start();
    try {
      await this.#faultsInTurn(queries);
    } finally {
      await Promise.all([queries.stop(), commandLoad.stop()]);
      this.#stalls.stop();
    }
    await this.#judge.queries(queries.observations);
    await this.#commandsEnd();
    await this.#judge.end(queries.observations, commandLoad.observations);
    const [violations, faults] = [this.#violations, this.#faults.length];
    const [questions, commands] = [queries.observations.length, commandLoad.observations.length];
    for (const [rule, count] of this.#printed) this.#options.print(`${count} × ${rule}`);
    this.#options.print(
      `${questions} questions, ${commands} commands, ${faults} faults, ${violations.length} violations`,
    );
    return { violations, questions, commands, faults };
  }

  async #faultsInTurn(queries: QueryLoad): Promise<void> {
    const endAtMs = Date.now() + this.#options.forMs;
    for (const fault of this.#options.faults) {
      await delay(CALM_MS);
      if (Date.now() > endAtMs) return;
      await this.#strike(fault);
      await this.#judge.queries(queries.observations);
    }
  }

  async #strike(fault: Fault): Promise<void> {
    const { agents, patience, print } = this.#options;
    const interval: FaultInterval = { fault, fromMs: Date.now() };
    this.#faults.push(interval);
    this.#record.note('fault', { fault });
    await inject(this.#system, fault);
    const healedMs = (interval.healedMs = Date.now());
    this.#record.note('healed', { fault });
    const onLack = (lack: string): void => this.#record.note('lacking', { lack });
    const lack = await becomesWhole(this.#system, { agents, withinMs: GIVE_UP_WHOLE_MS, onLack });
    const wholeMs = (interval.wholeMs = Date.now());
    this.#record.note('whole', { lack });
    const took = `${((healedMs - interval.fromMs) / 1_000).toFixed(1)} s`;
    print(`${describeFault(fault)}: healed after ${took}, whole ${((wholeMs - healedMs) / 1_000).toFixed(1)} s later`);
    if (wholeMs - healedMs - this.#stalls.within(healedMs, wholeMs) <= BOUNDS_MS.whole * patience) return;
    const told = lack ?? 'nothing is lacking any more';
    const truth = `whole ${wholeMs - healedMs} ms after the fault had healed`;
    this.#report({ rule: 'whole again in time', atMs: wholeMs, ids: [], told, truth });
  }

  async #commandsEnd(): Promise<void> {
    const { api } = this.#system.harness;
    const giveUpAtMs = Date.now() + BOUNDS_MS.commandsEnd * this.#options.patience;
    for (;;) {
      const open = await api.all('GET /v1/commands', { query: { status: 'running' } });
      if (open.length === 0 || Date.now() > giveUpAtMs) return;
      await delay(500);
    }
  }

  #report(violation: Violation): void {
    this.#violations.push(violation);
    this.#record.note('violation', violation);
    const { rule } = violation;
    const printed = this.#printed.get(rule) ?? 0;
    this.#printed.set(rule, printed + 1);
    if (printed < PRINTED_PER_RULE)
      this.#options.print(describeViolation(violation, this.#faults, this.#record.startedAtMs));
  }
}
