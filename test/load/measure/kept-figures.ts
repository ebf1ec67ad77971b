import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Target } from './report.js';
import { drawHistory } from './draw-history.js';
import type { KeptRun } from './kept-run.js';

/** Compiled to test/dist/load/figures. */
export const FIGURES = fileURLToPath(new URL('../../../../docs/figures/', import.meta.url));

export function readRuns(folder = FIGURES): KeptRun[] {
  const path = join(folder, 'benches.ndjson');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as KeptRun);
}

/** Adds a run to those that are kept, and draws all of them. */
export function keepRun(run: KeptRun, folder = FIGURES): void {
  appendFileSync(join(folder, 'benches.ndjson'), `${JSON.stringify(run)}\n`);
  writeFileSync(join(folder, 'benches.svg'), drawHistory(readRuns(folder)));
}

/** The run that ends now, on this machine, at the commit that is checked out. */
export function runOf(bench: string, targets: readonly Target[]): KeptRun {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: FIGURES, encoding: 'utf8' }).trim();
  const isChanged = git('status', '--porcelain', '--untracked-files=no') !== '';
  const figures = targets.map(({ name, value, limit, unit }) => [
    name,
    { value: rounded(value), limit, unit: unit.trim() },
  ]);
  return {
    bench,
    at: `${new Date().toISOString().slice(0, 16)}Z`,
    commit: `${git('rev-parse', '--short=8', 'HEAD')}${isChanged ? '+' : ''}`,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}`,
    figures: Object.fromEntries(figures),
  };
}

const rounded = (value: number): number => Number(value.toPrecision(4));
