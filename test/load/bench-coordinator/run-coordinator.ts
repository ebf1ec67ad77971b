import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import type { Broker } from '@muster/bus';
import { ledgerBalances, type Ledger } from '@muster/protocol';
import type { ResultEvent, ResultForm } from '@muster/records';
import type { TestProcess } from '@muster/testkit';
import type { FalseGateways } from '../false-gateways/false-gateways.js';
import { turnMeterArgs, turnsOf } from '../measure/event-loop-turns.js';
import { natsTraffic, trafficBetween } from '../measure/nats-traffic.js';
import { cpuMs } from '../measure/process-cpu.js';
import { MEASURED_NODE_ARGS, peakBytes, profileArgs, residentBytes } from '../measure/process-memory.js';
import type { BenchBrokers } from '../measure/run-bench.js';
import { quantile } from '../measure/statistics.js';
import { followQuery, startQuery, startQueryService } from './query-client.js';
import { whatIsShown } from './what-is-shown.js';

/** How long a reader sees a query of this form run, and what it costs its coordinator. */
export interface FormFigures {
  readonly completeMs: readonly number[];
  /** Processor time of the query service, for each query. */
  readonly cpuMs: number;
  readonly natsMessages: number;
  readonly natsBytes: number;
  readonly peakBytes: number;
  readonly turnP99Ms: number;
  readonly longestTurnMs: number;
}

export interface Killed {
  readonly state: string;
  readonly ledger: Ledger;
  readonly shown: { readonly answered: number; readonly failures: number };
  /** From the kill to the end that a reader sees, with a service started anew. */
  readonly toldAfterMs: number;
  readonly agrees: boolean;
}

export interface CoordinatorRun {
  readonly brokers: BenchBrokers;
  readonly broker: Broker;
  readonly gateways: FalseGateways;
  readonly endpoints: number;
  readonly repetitions: number;
  readonly profileFolder?: string;
}

const WARM_UP = 2;
const SPREAD_MS = 250;
/** While the service is killed: long enough to be in the middle. */
const KILL_SPREAD_MS = 6_000;

/** Each form in a process of its own, so that each has a peak of its own. */
export async function measureForm(
  run: CoordinatorRun,
  form: ResultForm,
): Promise<FormFigures & { readonly emptyBytes: number }> {
  const { brokers, broker, gateways, endpoints, repetitions } = run;
  const folder = join(brokers.folder, `turns-${form}`);
  await mkdir(folder, { recursive: true });
  const service = await startQueryService(brokers, [
    ...[...MEASURED_NODE_ARGS, ...turnMeterArgs(folder), ...profileArgs(run.profileFolder)],
  ]);
  const emptyBytes = residentBytes(service.pid);
  const completeMs: number[] = [];
  let [usedMs, from, before] = [0, 0, await natsTraffic(brokers.natsMonitorUrl)];
  try {
    await gateways.answerWithin(SPREAD_MS);
    for (let i = 0; i < WARM_UP + repetitions; i += 1) {
      if (i === WARM_UP)
        [usedMs, from, before] = [cpuMs(service.pid), Date.now(), await natsTraffic(brokers.natsMonitorUrl)];
      const tookMs = await timeOne(broker, form, endpoints);
      if (i >= WARM_UP) completeMs.push(tookMs);
    }
    usedMs = (cpuMs(service.pid) - usedMs) / repetitions;
    const { messages, bytes } = trafficBetween(before, await natsTraffic(brokers.natsMonitorUrl));
    const [to, peak] = [Date.now(), peakBytes(service.pid)];
    await service.stop();
    const turns = turnsOf(folder, service.pid, [from, to]);
    return {
      ...{ completeMs, cpuMs: usedMs, natsMessages: messages / repetitions, natsBytes: bytes / repetitions },
      ...{ emptyBytes, peakBytes: peak, turnP99Ms: quantile(turns, 0.99), longestTurnMs: Math.max(...turns) },
    };
  } finally {
    await service.stop();
  }
}

async function timeOne(broker: Broker, form: ResultForm, endpoints: number): Promise<number> {
  const begin = performance.now();
  const query = await startQuery(broker, form);
  for await (const event of followQuery(broker, query)) {
    if (event.t !== 'ended') continue;
    const { state, ledger } = event.record;
    if (state !== 'complete' || ledger.answered !== endpoints) {
      throw new Error(`a query was not answered by all: ${state} ${JSON.stringify(ledger)}`);
    }
    return performance.now() - begin;
  }
  throw new Error('the query has no end');
}

/** Kills the query service while a third of the endpoints has answered, starts another one, and compares what the reader is shown. */
export async function killInTheMiddle(
  { brokers, broker, gateways, endpoints }: CoordinatorRun,
  form: ResultForm,
): Promise<Killed> {
  await gateways.answerWithin(KILL_SPREAD_MS);
  const first = await startQueryService(brokers);
  let second: TestProcess | undefined;
  try {
    const query = await startQuery(broker, form);
    const events: ResultEvent[] = [];
    let killedAt: number | undefined;
    for await (const event of followQuery(broker, query)) {
      events.push(event);
      const isInTheMiddle = event.t === 'progress' && event.ledger.answered > endpoints / 3;
      if (killedAt !== undefined || !isInTheMiddle) continue;
      process.kill(first.pid, 'SIGKILL');
      killedAt = performance.now();
      second = await startQueryService(brokers);
    }
    const last = events.at(-1);
    if (last?.t !== 'ended' || killedAt === undefined) throw new Error('the query was not killed in the middle');
    const { state, ledger } = last.record;
    const shown = whatIsShown(events);
    const agrees =
      ledgerBalances(ledger) &&
      ledger.waiting === 0 &&
      shown.answered === ledger.answered &&
      shown.failures === ledger.targeted - ledger.answered - ledger.empty;
    return { state, ledger, shown, toldAfterMs: performance.now() - killedAt, agrees };
  } finally {
    await first.stop();
    await second?.stop();
  }
}
