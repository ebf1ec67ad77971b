import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { startNats, startRedis } from '@muster/local';
import { silentLogger } from '@muster/runtime';
import { FIGURES, keepRun, runOf } from './kept-figures.js';
import { table, verdicts, type Target } from './report.js';

/** Compiled to test/dist/load/measure; results are kept beside the source. */
export const RESULTS = fileURLToPath(new URL('../../../load/results/', import.meta.url));

/** Empty brokers and a folder for one run of a bench. */
export interface BenchBrokers {
  readonly natsUrl: string;
  readonly natsPid: number | undefined;
  /** nats-server's monitoring, over HTTP. */
  readonly natsMonitorUrl: string;
  readonly redisUrl: string;
  readonly redisPid: number | undefined;
  /** Removed after the run. */
  readonly folder: string;
}

type OptionsConfig = NonNullable<ParseArgsConfig['options']>;
export type OptionValues<O extends OptionsConfig> = ReturnType<
  typeof parseArgs<{ readonly options: O; readonly strict: true }>
>['values'];

/** What a bench gives out: everything measured, the figures to compare, and their presentation. */
export interface BenchReport {
  /** Becomes the JSON file, after the machine. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly head: string;
  readonly tables: readonly (readonly (readonly string[])[])[];
  readonly targets: readonly Target[];
  readonly remarks?: readonly string[];
}

export interface BenchOutput extends BenchReport {
  /** Default: test/load/results. */
  readonly folder?: string;
  /** Without extension. */
  readonly name: string;
  /** Further files, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Files that are written to docs/figures when the run is kept. */
  readonly kept?: Readonly<Record<string, string>>;
}

export interface Bench<O extends OptionsConfig> {
  readonly usage: string;
  readonly options: O;
  readonly run: (brokers: BenchBrokers, values: OptionValues<O>) => Promise<BenchOutput>;
}

/** The main program of a bench: reads the arguments, starts brokers, runs it, writes its files and prints its tables. */
export async function runBench<const O extends OptionsConfig>({ usage, options, run }: Bench<O>): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(
      `${usage}\n\n  --keep            add the figures that have a target to docs/figures, and draw them anew\n`,
    );
    return;
  }
  // For all benches; each knows its own options only.
  const isKept = process.argv.includes('--keep');
  const args = process.argv.slice(2).filter((arg) => arg !== '--keep');
  const { values } = parseArgs<{ readonly args: string[]; readonly options: O; readonly strict: true }>({
    ...{ args, options, strict: true },
  } as const);
  const output = await withBrokers((brokers) => run(brokers, values));
  const { folder = RESULTS, name, document, files = {} } = output;
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${name}.json`);
  const machine = { node: process.version, cores: cpus().length, model: cpus()[0]?.model };
  await writeFile(path, `${JSON.stringify({ machine, ...document }, null, 2)}\n`);
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  process.stdout.write(`\n${formatReport(output)}\n\n${path}\n`);
  if (!isKept) return;
  keepRun(runOf(name.replace(/-\d{4}-.*$/, ''), output.targets));
  for (const [file, text] of Object.entries(output.kept ?? {})) await writeFile(join(FIGURES, file), text);
}

export function formatReport({ head, tables, targets, remarks = [] }: BenchReport): string {
  return [
    head,
    ...tables.map(table),
    table(verdicts(targets)),
    ...(remarks.length > 0 ? [remarks.join('\n')] : []),
  ].join('\n\n');
}

/** `query-2026-11-29T02-15-00`: a file name for each run. */
export function timestamped(name: string): string {
  return `${name}-${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}`;
}

export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Starts brokers for `run` and stops them after it. */
export async function withBrokers<T>(run: (brokers: BenchBrokers) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-bench-'));
  const nats = await startNats({ dataDir: join(folder, 'nats'), logger: silentLogger });
  try {
    const redis = await startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger });
    try {
      const { url: natsUrl, pid: natsPid, monitorUrl: natsMonitorUrl } = nats;
      return await run({ natsUrl, natsPid, natsMonitorUrl, redisUrl: redis.url, redisPid: redis.pid, folder });
    } finally {
      await redis.stop();
    }
  } finally {
    await nats.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
