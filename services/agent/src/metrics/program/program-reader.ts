import type { Clock } from '@muster/runtime/program';
import type { HostReader, ProcessUse, Reading, RefreshOptions, TopProcesses } from '../contract/host-reader.js';
import { type Measurements, ReadingComposer, valuesOf } from '../contract/measurements.js';
import { ProcessRanking, type RankedProcess } from '../contract/process-ranking.js';
import { readPortableSet } from '../portable/portable-set.js';
import { ProgramCosts } from './program-cost.js';
import type { DetailedAnswer, ListedProcess, ProgramPlatform, StandardAnswer } from './program-platform.js';
import { SamplingProgram } from './sampling-program.js';

export interface ProgramReaderOptions {
  readonly platform: ProgramPlatform;
  /** What the agent's own process costs. */
  readonly usage: { read(host: Float64Array): void };
  readonly clock: Pick<Clock, 'monotonic' | 'setTimeout' | 'clear'>;
  /** As of {@link SamplingProgram}. */
  readonly patienceMs?: number;
  readonly random?: () => number;
}

/** Who looks has the detailed set taken every five seconds. */
const WATCHED_MS = 15_000;
/** The program works at most this share of the time, while somebody looks and otherwise: on a slow machine it is asked less often. */
const WATCHED_SHARE = 0.25;
const USUAL_SHARE = 0.01;
const LONGEST_PAUSE_MS = 600_000;
const RECENT_MS = 2_000;
/** Of an answer with the standard set, which is asked once a minute. One that is older says nothing of now. */
const CURRENT_MS = 90_000;

/**
 * Measures a machine by what Node knows of it, and by what a long-lived program tells. `read` never waits: it takes the
 * newest answer, and asks for the next one while somebody looks. Otherwise the program is asked once a minute, together
 * with the detailed set, and is idle in between. What it told is absent from when it fails until it answers again, and
 * what changes each second also where the program is too slow to be asked once a minute.
 */
export class ProgramReader implements HostReader {
  readonly #options: ProgramReaderOptions;
  readonly #program: SamplingProgram;
  readonly #composer = new ReadingComposer();
  readonly #ranking = new ProcessRanking();
  readonly #costs = new ProgramCosts();
  #watchedUntilMs = Number.NEGATIVE_INFINITY;
  #askedAtMs = { standard: Number.NEGATIVE_INFINITY, detailed: Number.NEGATIVE_INFINITY };
  #tookMs = { standard: 0, detailed: 0 };
  #standard: StandardAnswer | undefined;
  #standardAtMs = 0;
  #detailed: DetailedAnswer | undefined;
  /** Of those processes that used most the last time. */
  #users: ReadonlyMap<string, string> = new Map();

  constructor(options: ProgramReaderOptions) {
    this.#options = options;
    this.#program = new SamplingProgram({ ...options, command: options.platform.command });
  }

  read(): Reading {
    const nowMs = this.#options.clock.monotonic();
    if (nowMs < this.#watchedUntilMs && !this.#program.isBusy) void this.#askStandard();
    const own = readPortableSet();
    this.#options.usage.read(own.host);
    this.#costs.addTo(own.host);
    const ageMs = nowMs - this.#standardAtMs;
    const standard = setOf(ageMs <= CURRENT_MS ? this.#standard : undefined);
    const detailed = setOf(this.#detailed);
    const reading = this.#composer.compose(own, ...standard, ...detailed);
    if (standard.length === 0 || ageMs <= RECENT_MS) return reading;
    return { ...reading, recent: valuesOf(reading.shape, [own, ...detailed]) };
  }

  async refresh({ topProcesses }: RefreshOptions): Promise<TopProcesses | undefined> {
    const { clock } = this.#options;
    this.#watchedUntilMs = topProcesses ? clock.monotonic() + WATCHED_MS : Number.NEGATIVE_INFINITY;
    if (!topProcesses) await this.#askStandard();
    const processes = await this.#askDetailed();
    if (!topProcesses) this.#ranking.forget();
    if (!topProcesses || processes === undefined) return undefined;
    const ranks = this.#ranking.rank(processes, clock.monotonic());
    if (ranks === undefined) return undefined;
    const all = [...ranks.byCpu, ...ranks.byMemory];
    await this.#nameUsers(processes.filter(({ pid }) => all.some((one) => one.pid === pid)));
    const starts = new Map(processes.map((one) => [one.pid, keyOf(one)]));
    const withUser = (one: RankedProcess): ProcessUse => ({
      ...one,
      user: this.#users.get(starts.get(one.pid) ?? '') ?? '',
    });
    return { byCpu: ranks.byCpu.map(withUser), byMemory: ranks.byMemory.map(withUser) };
  }

  close(): void {
    this.#program.close();
  }

  async #askStandard(): Promise<void> {
    const { clock, platform } = this.#options;
    if (!this.#isDue('standard')) return;
    this.#standard = await this.#timed('standard', (text) => platform.standard(text));
    this.#standardAtMs = clock.monotonic();
    if (this.#standard?.cost !== undefined) this.#costs.take(this.#standard.cost);
    if (this.#standard === undefined) this.#costs.ended();
  }

  /** The processes that it lists. */
  async #askDetailed(): Promise<readonly ListedProcess[] | undefined> {
    if (!this.#isDue('detailed')) return undefined;
    this.#detailed = await this.#timed('detailed', (text) => this.#options.platform.detailed(text));
    return this.#detailed?.processes;
  }

  #isDue(ask: 'standard' | 'detailed'): boolean {
    const nowMs = this.#options.clock.monotonic();
    const share = nowMs < this.#watchedUntilMs ? WATCHED_SHARE : USUAL_SHARE;
    return nowMs - this.#askedAtMs[ask] >= Math.min(LONGEST_PAUSE_MS, this.#tookMs[ask] / share);
  }

  async #timed<T>(ask: 'standard' | 'detailed', parse: (text: string) => T | undefined): Promise<T | undefined> {
    const { clock } = this.#options;
    const fromMs = clock.monotonic();
    this.#askedAtMs[ask] = fromMs;
    const answer = await this.#program.ask({ ask, parse });
    // Without an answer the program itself pauses.
    this.#tookMs[ask] = answer === undefined ? 0 : clock.monotonic() - fromMs;
    return answer;
  }

  async #nameUsers(processes: readonly ListedProcess[]): Promise<void> {
    const { platform } = this.#options;
    const known = new Map<string, string>();
    for (const one of processes) {
      const user = one.user ?? this.#users.get(keyOf(one));
      if (user !== undefined) known.set(keyOf(one), user);
    }
    const unknown = processes.filter((one) => !known.has(keyOf(one)));
    if (unknown.length > 0 && platform.users !== undefined) {
      const args = unknown.map(({ pid }) => pid).join(' ');
      const users = await this.#program.ask({ ask: 'users', args, parse: (text) => platform.users?.(text) });
      for (const one of unknown) known.set(keyOf(one), users?.get(one.pid) ?? '');
    }
    this.#users = known;
  }
}

function setOf(answer: { readonly set: Measurements } | undefined): readonly Measurements[] {
  return answer === undefined ? [] : [answer.set];
}

/** Names one process: an id is given to another one later. */
function keyOf({ pid, start }: ListedProcess): string {
  return `${pid} ${start}`;
}
