import { setTimeout as delay } from 'node:timers/promises';
import type { QueryJson } from '@muster/api-contract';
import { readKeptCommands, type KeptCommands } from '../record/kept-commands.js';
import { readKeptQuery } from '../record/kept.js';
import type { CommandObservation, FaultInterval, QueryObservation } from '../record/observations.js';
import type { ChaosSystem } from '../system/chaos-system.js';
import { isProbe } from '../system/wholeness.js';
import { answersInTime, endsInTime, keysAreFree, neverTooMany, SERVICES, type TimeFacts } from './answers.js';
import { journalAgreesWithAudit } from './audit.js';
import { acceptedOnesEnd, keptWereAccepted, runsAgreeWithTargets, toldEndsAreKept } from './commands.js';
import { BOUNDS_MS } from './bounds.js';
import { FaultLog } from './fault-log.js';
import { keptStays, questionsRunForSomebody } from './kept-queries.js';
import { drainsCutNobody, drainsLoseNoAnswer } from './planned.js';
import { PresenceIndex } from './presence-index.js';
import { ledgersBalance, rowsAgreeWithLedger } from './rows-and-ledger.js';
import type { Stalls } from './stalls.js';
import { liveAreNotLost, liveAreTargets, type TargetFacts } from './targets.js';
import { cancelledWasAsked, rowsAreKept, toldAfterKept, toldIsKept } from './told-and-kept.js';
import type { Violation } from './violation.js';

const READERS = 6;

export interface JudgeOptions {
  readonly system: ChaosSystem;
  readonly faults: readonly FaultInterval[];
  readonly stalls: Stalls;
  readonly patience: number;
  /** Whether all programs are of one version. */
  readonly versions: 'one' | 'mixed';
  readonly report: (violation: Violation) => void;
}

/** Holds what callers were told against what is kept, what the endpoints recorded, and the bounds of time. */
export class Judge {
  readonly #options: JudgeOptions;
  readonly #judged = new Set<QueryObservation>();
  readonly #kept = new Map<string, QueryJson>();

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  /** Judges the questions that have ended since the last time. Call it while the system is whole. */
  async queries(observations: readonly QueryObservation[]): Promise<void> {
    const { system, report, ...options } = this.#options;
    const due = observations.filter((observation) => observation.done === true && !this.#judged.has(observation));
    const faults = new FaultLog(options.faults);
    const facts = { ...options, faults, presence: new PresenceIndex(await system.fleet.presence()) };
    const left = due.values();
    const judge = async (): Promise<void> => {
      for (const observation of left) {
        this.#judged.add(observation);
        const sinceMs = observation.attempts[0]?.fromMs ?? 0;
        for (const violation of await this.#query(observation, facts)) report({ sinceMs, ...violation });
      }
    };
    await Promise.all(Array.from({ length: READERS }, judge));
  }

  async #query(observation: QueryObservation, facts: TimeFacts & TargetFacts): Promise<Violation[]> {
    const { ask, id, attempts } = observation;
    const ids = [`ask ${ask}`, id ?? ''];
    const answers = [
      ...answersInTime(ids, attempts, SERVICES.query, facts),
      ...keysAreFree(ids, attempts),
      ...neverTooMany(ids, attempts),
    ];
    if (id === undefined) return answers;
    const kept = await readKeptQuery(this.#options.system.harness, observation, id);
    this.#kept.set(id, kept.query);
    return [
      ...answers,
      ...ledgersBalance(observation, kept),
      ...rowsAgreeWithLedger(observation, kept),
      ...liveAreTargets(observation, kept, facts),
      ...liveAreNotLost(observation, kept, facts),
      ...drainsLoseNoAnswer(observation, kept, facts),
      ...toldIsKept(observation, kept),
      ...toldAfterKept(observation),
      ...rowsAreKept(observation, kept),
      ...cancelledWasAsked(observation, kept),
      ...endsInTime(observation, facts),
    ];
  }

  /** Judges what only the end of a round shows. */
  async end(queries: readonly QueryObservation[], commands: readonly CommandObservation[]): Promise<void> {
    const { system, report, ...options } = this.#options;
    const facts = { ...options, faults: new FaultLog(options.faults) };
    const asked = await system.harness.api.all('GET /v1/queries', { pageSize: 200 });
    const kept = await this.#auditedCommands();
    const found = [
      ...drainsCutNobody(options.faults, await system.fleet.cuts()),
      ...keptStays(this.#kept, asked, this.#options.versions),
      ...questionsRunForSomebody(queries, asked),
      ...commands.flatMap(({ key, id, attempts }) => [
        ...answersInTime([key, id ?? ''], attempts, SERVICES.command, facts),
        ...keysAreFree([key, id ?? ''], attempts),
      ]),
      ...acceptedOnesEnd(commands, kept),
      ...toldEndsAreKept(commands, kept),
      ...keptWereAccepted(commands, kept, isProbe),
      ...runsAgreeWithTargets(await system.fleet.runs(), kept),
      ...journalAgreesWithAudit(kept),
    ];
    for (const violation of found) report(violation);
  }

  /** All commands, when the audit has caught up with them, or has had the time for it. */
  async #auditedCommands(): Promise<KeptCommands> {
    const giveUpAtMs = Date.now() + BOUNDS_MS.audited * this.#options.patience;
    for (;;) {
      const kept = await readKeptCommands(this.#options.system.harness);
      if (journalAgreesWithAudit(kept).length === 0 || Date.now() > giveUpAtMs) return kept;
      await delay(500);
    }
  }
}
