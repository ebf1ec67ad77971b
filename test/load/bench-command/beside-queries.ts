import { CpuMeter, type CpuUse } from '../measure/process-cpu.js';
import type { ApiAccess } from '../measure/rest.js';
import { setTimeout as delay } from 'node:timers/promises';
import { benchQuery } from '../bench-query/bench-query.js';
import { timeQuery } from '../bench-query/time-query.js';
import { timeAnsweredCommand } from './command-times.js';

type Pids = Readonly<Record<string, readonly (number | undefined)[]>>;

/** Queries to the same fleet in the same run, to compare commands with. */
export class BesideQueries {
  readonly #api: ApiAccess;
  readonly #sql: string;
  readonly #cpu: CpuMeter;

  private constructor(api: ApiAccess, sql: string, pids: Pids) {
    this.#api = api;
    this.#sql = sql;
    this.#cpu = new CpuMeter(pids);
  }

  static async of(api: ApiAccess, pids: Pids): Promise<BesideQueries> {
    const { sql } = await benchQuery();
    return new BesideQueries(api, sql, pids);
  }

  /** Asks all endpoints one grouped query. With `counts` its processor time counts. */
  async ask({ counts }: { readonly counts: boolean }): Promise<void> {
    if (counts) this.#cpu.begin();
    await this.#query('group');
    await delay(500);
    if (counts) this.#cpu.end();
  }

  /** Processor time of a grouped query, by program. */
  cpuMs(): CpuUse {
    return this.#cpu.perRound();
  }

  /** Commands to one endpoint each, as `timeAnsweredCommand` has them, while all endpoints answer one raw query after the other. */
  async timeCommands(bodies: readonly Readonly<Record<string, unknown>>[]): Promise<number[]> {
    let isDone = false;
    const asking = (async () => {
      while (!isDone) await this.#query('raw');
    })();
    const times: number[] = [];
    try {
      for (const body of bodies) times.push(await timeAnsweredCommand(this.#api, body));
    } finally {
      isDone = true;
      await asking;
    }
    return times;
  }

  async #query(mode: 'group' | 'raw'): Promise<void> {
    const { state, ledger } = await timeQuery(this.#api, { sql: this.#sql, mode, timeout: '60s' });
    if (state !== 'complete' || ledger['answered'] !== ledger['targeted'])
      throw new Error(`a query beside the commands was not answered by all: ${state} ${JSON.stringify(ledger)}`);
  }
}
