import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from '../measure/report.js';
import { RESULTS, timestamped } from '../measure/run-bench.js';
import { dearestFunctions, programOf, type CpuProfile } from './cpu-profile.js';

const USAGE = `npm run profile -- BENCH [options of the bench]

  BENCH   query, command, scale or coordinator: those that can let V8 write profiles

Writes a page with a flame graph for each process, and prints the ten functions in which it spent most time itself.`;

const require = createRequire(import.meta.url);
const BENCHES = new Set(['query', 'command', 'scale', 'coordinator']);
const DEAREST = 10;
/** A process that did next to nothing has nothing to show. */
const LEAST_MS = 50;
/** Its page has everything in it, and can be sent to others. */
const FLAME_PAGE = join(dirname(require.resolve('cpupro/package.json')), 'bin', 'cpupro');

async function runNode(args: readonly string[], stdio: 'inherit' | 'ignore'): Promise<void> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', stdio, 'inherit'] });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`${args[0]} ended with ${signal ?? code}`);
}

async function main([bench = '', ...args]: readonly string[]): Promise<void> {
  const name = bench.replace(/^bench:/, '');
  if (!BENCHES.has(name)) throw new Error(USAGE);
  const main = fileURLToPath(new URL(`../bench-${name}/main.js`, import.meta.url));
  if (!existsSync(main)) throw new Error(`${main} is not built`);
  const folder = join(RESULTS, timestamped(`profile-${name}`));
  await mkdir(folder, { recursive: true });
  const raw = await mkdtemp(join(tmpdir(), 'muster-profile-'));
  try {
    await runNode([main, ...args, '--profile', raw], 'inherit');
    for (const file of (await readdir(raw)).filter((one) => one.endsWith('.cpuprofile')).toSorted()) {
      await show(join(raw, file), folder);
    }
  } finally {
    await rm(raw, { recursive: true, force: true });
  }
}

/** `CPU.<day>.<time>.<pid>.<thread>.<number>.cpuprofile` */
async function show(path: string, folder: string): Promise<void> {
  const profile = JSON.parse(await readFile(path, 'utf8')) as CpuProfile;
  const functions = dearestFunctions(profile, DEAREST);
  const busyMs = (functions[0]?.ms ?? 0) / (functions[0]?.share ?? 1);
  if (busyMs < LEAST_MS) return;
  const [pid = '', thread = ''] = path.split('.').slice(-5, -3);
  const page = `${programOf(profile)}-${pid}-${thread}.html`;
  await runNode([FLAME_PAGE, path, '--no-open', '--filename', page, '--output-dir', folder], 'ignore');
  const rows = functions.map(({ name, place, ms, share }) => [
    `${(share * 100).toFixed(1)} %`,
    ms.toFixed(0),
    name,
    place,
  ]);
  process.stdout.write(
    `\n${programOf(profile)}, process ${pid}: ${busyMs.toFixed(0)} ms busy; ${join(folder, page)}\n`,
  );
  process.stdout.write(`${table([['share', 'ms', 'function', 'place'], ...rows])}\n`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
