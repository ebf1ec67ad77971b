import type { QueryBody } from '@muster/protocol';
import { SimulatedAgent } from '../agent/agent.js';
import type { AnswerSource } from '../truth/answer.js';
import { behaviourOf } from '../agent/behaviour.js';
import { Enrolment } from './enrolment.js';
import type { Identity } from '../agent/identity.js';
import type { EnrolledAgent, FleetContext } from '../agent/fleet-context.js';
import { Schedule } from '../commands/schedule.js';
import { Oracle } from '../truth/oracle.js';
import { Presence } from '../truth/presence.js';
import { SharedCommandVerifier } from '../commands/command-verifier.js';
import { completeFleetOptions, type CompleteFleetOptions, type FleetOptions } from '../agent/fleet-options.js';
import { FleetStats, type AgentStatus } from '../agent/fleet-stats.js';
import { makeMachine, type Machine } from '../machine/machine.js';
import { ConnectPacer } from '../channels/connect-pacer.js';
import { SimulatedPacks } from '../packs/simulated-packs.js';
import { QueryReader } from '../agent/query-reader.js';
import { seededUnit } from '../machine/seeded.js';
import { SqlAnswers } from '../truth/sql-answers.js';
import { httpUrlOf, targetsOf } from '../channels/target.js';
import { mergeAnswers, type ExpectedResult } from '../truth/expected-result.js';
import { Wires } from '../channels/wires.js';

const BEAT_MS = 1_000;
/** The agents are visited in this many groups, one group per beat, so that the work is spread. */
const BEAT_GROUPS = 4;
const ENROLMENTS_IN_PARALLEL = 32;
const REENROL_DELAY_MS = 5_000;
/** How long the gateways may take to end poll sessions. */
const POLL_CLOSE_MS = 5_000;

/** Many simulated endpoints in this process, over the real protocol. */
export class Fleet {
  readonly stats = new FleetStats();
  /** What commands did on these endpoints, as recorded there. */
  readonly oracle = new Oracle();
  /** When these endpoints had a session, as each of them knows. */
  readonly presence = new Presence();
  readonly #options: CompleteFleetOptions;
  readonly #enrolment: Enrolment;
  readonly #pacer: ConnectPacer;
  readonly #wires: Wires;
  readonly #reader = new QueryReader();
  readonly #schedule = new Schedule();
  readonly #agents: SimulatedAgent[] = [];
  readonly #waiters = new Set<() => void>();
  #answers: SqlAnswers | undefined;
  #coarseNowMs = Date.now();
  #beat = 0;
  #beats: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: FleetOptions) {
    this.#options = completeFleetOptions(options);
    const { gateways, ca, org, enrolSecret, seed, connectsPerSecond, connectsInFlight } = this.#options;
    this.#wires = new Wires(targetsOf(gateways, ca), this.#options.channel, this.stats);
    this.#pacer = new ConnectPacer(connectsPerSecond, connectsInFlight);
    this.#enrolment = new Enrolment({
      gateway: httpUrlOf(gateways[0]),
      ...(ca !== undefined && { ca }),
      org,
      secret: enrolSecret,
      seed,
      parallel: ENROLMENTS_IN_PARALLEL,
    });
  }

  get agents(): readonly SimulatedAgent[] {
    return this.#agents;
  }

  /** Enrols and connects all agents. Resolves when each is ready or excluded; rejects when one cannot enrol. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#answers = await SqlAnswers.create();
    const context = this.#context(this.#answers);
    this.#beats = setInterval(() => this.#onBeat(), BEAT_MS / BEAT_GROUPS);
    await this.#forEach((index) => this.#addAgent(index, context), signal);
    await this.waitFor(() => this.count('ready') + this.count('excluded') >= this.#agents.length, signal);
  }

  /** Enrols all agents and connects none. Returns their identities by index. */
  async enrolAll(): Promise<Map<number, Identity>> {
    const identities = new Map(this.#options.identities);
    await this.#forEach(async (index) => {
      if (!identities.has(index)) identities.set(index, await this.#enrol(makeMachine(this.#options, index)));
    });
    return identities;
  }

  /** Some at a time, in sequence. */
  async #forEach(visit: (index: number) => Promise<void>, signal?: AbortSignal): Promise<void> {
    const { agents, firstIndex } = this.#options;
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < agents && !this.#stopped && signal?.aborted !== true) {
        const index = firstIndex + next;
        next += 1;
        await visit(index);
      }
    };
    await Promise.all(Array.from({ length: Math.min(agents, ENROLMENTS_IN_PARALLEL) }, worker));
  }

  /** Closes all connections and frees everything that keeps the process running. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#beats);
    this.#pacer.stop();
    this.#schedule.stop();
    for (const agent of this.#agents) agent.stop();
    this.#enrolment.stop();
    this.#wake();
    await this.#until(() => this.stats.sessions.poll === 0, AbortSignal.timeout(POLL_CLOSE_MS)).catch(() => undefined);
    this.#wires.stop();
    this.#answers?.close();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** How many agents are in this state now. */
  count(status: AgentStatus): number {
    return this.stats.agents[status];
  }

  /** Resolves when the condition holds. It is checked whenever an agent becomes ready or excluded, and at every beat. */
  waitFor(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    return this.#until(() => condition() || this.#stopped, signal);
  }

  async #until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!condition()) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiters.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    }
  }

  /** Drops the connections of a share of the ready agents, which do not reconnect. The seed decides which. Returns these agents. */
  kill(share: number): SimulatedAgent[] {
    const { seed } = this.#options;
    const ready = this.#agents.filter((agent) => agent.status === 'ready');
    const ranked = ready.map((agent) => ({ agent, rank: seededUnit(seed, agent.machine.index, 'kill') }));
    ranked.sort((a, b) => a.rank - b.rank);
    const killed = ranked.slice(0, Math.round(ready.length * share)).map(({ agent }) => agent);
    for (const agent of killed) agent.kill();
    return killed;
  }

  /** A share of the ready agents, taken at random, loses its connections and comes again after `disappearMs`. Returns how many. */
  leave(share: number): number {
    const ready = this.#agents.filter((agent) => agent.status === 'ready');
    const leaving = ready.filter(() => Math.random() < share);
    for (const agent of leaving) agent.disappear();
    return leaving.length;
  }

  /**
   * The result that the selected agents must give for a query; by default those that are ready and behave normally or slowly.
   * `columns`: how many columns the query has.
   */
  expected(sql: string, columns: number, selects: (agent: SimulatedAgent) => boolean = answersAtAll): ExpectedResult {
    const answers = this.#answers;
    if (answers === undefined) throw new Error('the fleet was not started');
    const chosen = this.#agents.filter(selects);
    return mergeAnswers(
      chosen.map((agent) => answers.expected(agent.machine, sql)),
      columns,
    );
  }

  /** Identities by index, for a later run with the same seed. */
  identities(): Map<number, Identity> {
    return new Map(this.#agents.map((agent) => [agent.machine.index, agent.identity]));
  }

  async #addAgent(index: number, context: FleetContext): Promise<void> {
    const { seed, behaviour, identities } = this.#options;
    const machine = makeMachine(this.#options, index);
    const identity = identities.get(index) ?? (await this.#enrol(machine));
    if (this.#stopped) return;
    const agent = new SimulatedAgent(machine, behaviourOf(behaviour, seed, index), identity, context);
    this.stats.agents.idle += 1;
    this.#agents.push(agent);
    agent.connect();
  }

  async #enrol(machine: Machine): Promise<Identity> {
    const identity = await this.#enrolment.enrol(machine);
    this.stats.enrolled += 1;
    return identity;
  }

  #enrolAgain(agent: EnrolledAgent): void {
    this.#enrol(agent.machine).then(
      (identity) => {
        agent.reenrolled(identity);
        agent.connect();
      },
      () => setTimeout(() => agent.connect(), REENROL_DELAY_MS * (1 + Math.random())).unref(),
    );
  }

  #onBeat(): void {
    const now = Date.now();
    this.presence.beat();
    this.#coarseNowMs = now;
    for (let i = this.#beat; i < this.#agents.length; i += BEAT_GROUPS) this.#agents[i]?.beat(now);
    this.#beat = (this.#beat + 1) % BEAT_GROUPS;
    this.#wake();
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #context(answers: AnswerSource): FleetContext {
    const coarseNowMs = (): number => this.#coarseNowMs;
    return {
      options: this.#options,
      stats: this.stats,
      presence: this.presence,
      answers,
      packs: this.#options.packs && new SimulatedPacks(this.#options.packs, this.#options.seed),
      pacer: this.#pacer,
      commands: {
        org: this.#options.org,
        behaviour: this.#options.commands,
        verifier: new SharedCommandVerifier(),
        oracle: this.oracle,
        schedule: this.#schedule,
        stats: this.stats,
      },
      get coarseNowMs() {
        return coarseNowMs();
      },
      openWire: (owner, agent, route) => this.#wires.open(owner, agent, route),
      readQuery: (body): QueryBody | undefined => this.#reader.read(body),
      enrolAgain: (agent) => this.#enrolAgain(agent),
      settled: () => {
        if (this.#waiters.size > 0) queueMicrotask(() => this.#wake());
      },
    };
  }
}

function answersAtAll(agent: SimulatedAgent): boolean {
  return agent.status === 'ready' && (agent.behaviour === 'normal' || agent.behaviour === 'slow');
}
