import { setTimeout as delay } from 'node:timers/promises';
import { describeFault, type Fault } from './faults/fault.js';
import { inject } from './faults/injector.js';
import { QueryLoad } from './load/query-load.js';
import { ledgersBalance, rowsAgreeWithLedger } from './oracle/rows-and-ledger.js';
import { describeViolation, type Violation } from './oracle/violation.js';
import { ChaosRecord } from './record/chaos-record.js';
import { readKeptQuery } from './record/kept.js';
import type { FaultInterval } from './record/observations.js';
import { ChaosSystem, type Front } from './system/chaos-system.js';
import { becomesWhole } from './system/wholeness.js';

export interface RoundOptions {
  readonly agents: number;
  readonly seed: number;
  readonly front: Front;
  /** The faults, one after the other. */
  readonly faults: Iterable<Fault>;
  /** No fault begins after so long. */
  readonly forMs: number;
  /** Where the record is written. */
  readonly recordFile?: string;
  readonly print: (text: string) => void;
}

/** The load runs alone before each fault. */
const CALM_MS = 3_000;
const GIVE_UP_WHOLE_MS = 120_000;

/** One round: the system under load, one fault after the other, and what the oracle has to say. */
export async function runRound(options: RoundOptions): Promise<readonly Violation[]> {
  const { agents, seed, front, print } = options;
  const record = new ChaosRecord(options.recordFile);
  const onEvent = (text: string): void => record.note('event', { text });
  const system = await ChaosSystem.start({ agents, front, onEvent });
  const faults: FaultInterval[] = [];
  const violations: Violation[] = [];
  const report = (found: readonly Violation[]): void => {
    for (const violation of found) {
      violations.push(violation);
      record.note('violation', violation);
      print(describeViolation(violation, faults, record.startedAtMs));
    }
  };
  try {
    const load = new QueryLoad({ harness: system.harness, record, seed });
    load.start();
    const endAtMs = Date.now() + options.forMs;
    for (const fault of options.faults) {
      await delay(CALM_MS);
      if (Date.now() > endAtMs) break;
      const interval: FaultInterval = { fault, fromMs: Date.now() };
      faults.push(interval);
      record.note('fault', { fault });
      await inject(system, fault);
      interval.healedMs = Date.now();
      record.note('healed', { fault });
      const lack = await becomesWhole(system, agents, GIVE_UP_WHOLE_MS);
      interval.wholeMs = Date.now();
      record.note('whole', { lack });
      const [tookMs, wholeMs] = [interval.healedMs - interval.fromMs, interval.wholeMs - interval.healedMs];
      print(`${describeFault(fault)}: took ${tookMs} ms, whole ${wholeMs} ms later ${lack ?? ''}`);
    }
    await load.stop();
    for (const observation of load.observations) {
      if (observation.id === undefined) continue;
      const kept = await readKeptQuery(system.harness, observation, observation.id);
      report([...ledgersBalance(observation, kept), ...rowsAgreeWithLedger(observation, kept)]);
    }
    print(`${load.observations.length} questions, ${faults.length} faults, ${violations.length} violations`);
    return violations;
  } finally {
    await system.stop();
    await record.close();
  }
}
