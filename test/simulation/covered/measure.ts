import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coveredLines, type FileCoverage } from './covered-lines.js';

const LEAST_SHOWN = 15;
/** Shorter files say little. */
const FEW_LINES = 30;

/** Runs a program as a process whose coverage Node writes down, then prints how many lines of the simulated packages have run. */
export async function measured(program: string, args: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-coverage-'));
  try {
    const env = { ...process.env, NODE_V8_COVERAGE: folder };
    const { status } = spawnSync(process.execPath, [program, ...args], { env, stdio: 'inherit' });
    process.stdout.write(`${coverageText(await coveredLines(folder))}\n`);
    return status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function coverageText(files: readonly FileCoverage[]): string {
  const packages = new Set(files.map((file) => file.package));
  const least = files
    .filter(({ lines }) => lines >= FEW_LINES)
    .sort((one, other) => one.covered / one.lines - other.covered / other.lines)
    .slice(0, LEAST_SHOWN);
  return [
    'Lines of the simulated packages that have run:',
    ...[...packages].map((name) =>
      line(
        name,
        files.filter((file) => file.package === name),
      ),
    ),
    line('all', files),
    'Of these files the fewest:',
    ...least.map((file) => line(`${file.package} ${file.file}`, [file])),
  ].join('\n');
}

function line(name: string, files: readonly FileCoverage[]): string {
  const lines = files.reduce((sum, file) => sum + file.lines, 0);
  const covered = files.reduce((sum, file) => sum + file.covered, 0);
  const share = ((100 * covered) / lines).toFixed(1);
  return `  ${share.padStart(5)} %  ${`${covered} of ${lines}`.padStart(14)}  ${name}`;
}
