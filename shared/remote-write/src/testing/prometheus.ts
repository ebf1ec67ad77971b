import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@muster/local/brokers';
import { eventually } from '@muster/runtime/testing';

/** One sample as Prometheus returns it. */
export interface StoredSample {
  readonly timeMs: number;
  readonly value: string;
}

export interface StoredSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly StoredSample[];
}

const READY_WITHIN_MS = 60_000;
// The process ends with the standard input of the shell, which ends with the test in any way.
const SCRIPT = 'log="$1"; shift; "$@" >>"$log" 2>&1 & pid=$!; echo $pid; read -r _; kill -KILL $pid';

/** A real Prometheus that takes remote write. It can be killed and started again on the same port and data. */
export class TestPrometheus {
  readonly #program: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'muster-prometheus-'));
  #port: number | undefined;
  #shell: ChildProcess | undefined;
  #pid = 0;

  constructor(program: string) {
    this.#program = program;
    writeFileSync(join(this.#folder, 'prometheus.yml'), 'scrape_configs: []\n');
  }

  get writeUrl(): URL {
    return new URL(`http://127.0.0.1:${this.#port}/api/v1/write`);
  }

  async start(): Promise<void> {
    this.#port ??= await freePort();
    const log = join(this.#folder, 'log');
    this.#shell = spawn('/bin/sh', [
      ...['-c', SCRIPT, 'sh', log, this.#program],
      `--config.file=${join(this.#folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(this.#folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${this.#port}`,
      '--web.enable-remote-write-receiver',
    ]);
    const [line] = (await once(this.#shell.stdout!, 'data')) as [Buffer];
    this.#pid = Number(line.toString());
    const ready = `http://127.0.0.1:${this.#port}/-/ready`;
    await eventually(async () => (await fetch(ready)).ok, 'prometheus is ready', READY_WITHIN_MS).catch(() => {
      throw new Error(`prometheus did not start: ${readFileSync(log, 'utf8').slice(-2_000)}`);
    });
  }

  /** As a power cut would end it, but for what the kernel has. */
  async kill9(): Promise<void> {
    process.kill(this.#pid, 'SIGKILL');
    this.#shell?.stdin?.end();
    await once(this.#shell!, 'exit');
    this.#shell = undefined;
  }

  async stop(): Promise<void> {
    if (this.#shell !== undefined) await this.kill9();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** An instant query; with a range selector it returns the stored samples as they are, without stale markers. */
  async query(query: string, timeMs = Date.now()): Promise<StoredSeries[]> {
    const parameters = new URLSearchParams({ query, time: String(timeMs / 1_000) });
    const answer = await fetch(`http://127.0.0.1:${this.#port}/api/v1/query?${parameters.toString()}`);
    const { data, error } = (await answer.json()) as {
      data: { result: { metric: Record<string, string>; value?: [number, string]; values?: [number, string][] }[] };
      error?: string;
    };
    if (error !== undefined) throw new Error(error);
    return data.result.map(({ metric, value, values }) => ({
      labels: metric,
      samples: (values ?? (value === undefined ? [] : [value])).map(([seconds, text]) => ({
        timeMs: Math.round(seconds * 1_000),
        value: text,
      })),
    }));
  }
}
