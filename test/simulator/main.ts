import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readCommandLine, USAGE, type CommandLine } from './command-line.js';
import { OracleFile } from './truth/oracle.js';
import { Fleet } from './fleet/fleet.js';
import { readIdentities, writeIdentities } from './fleet/identity-file.js';

const REPORT_MS = 5_000;
/** Passed to each of several processes: the index of its first agent, and how many agents it has. */
const RANGE = /^--range=(\d+)\+(\d+)$/;

async function main(args: readonly string[]): Promise<number> {
  const range = args.map((arg) => RANGE.exec(arg)).find((match) => match !== null);
  const commandLine = readCommandLine(
    args.filter((arg) => !RANGE.test(arg)),
    process.cwd(),
  );
  if (commandLine === 'help') {
    console.log(USAGE);
    return 0;
  }
  if (range) return simulate(commandLine, Number(range[1]), Number(range[2]));
  if (commandLine.processes === 1) return simulate(commandLine, 0, commandLine.fleet.agents);
  return spread(args, commandLine);
}

async function simulate(
  { fleet: options, keysFile, oracleFile }: CommandLine,
  firstIndex: number,
  agents: number,
): Promise<number> {
  const { org, seed = 1 } = options;
  const identities = keysFile === undefined ? undefined : readIdentities(keysFile, org, seed);
  const fleet = new Fleet({ ...options, firstIndex, agents, ...(identities !== undefined && { identities }) });
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());
  const oracle = oracleFile === undefined ? undefined : new OracleFile(fleet.oracle, oracleFile);
  const reports = setInterval(() => {
    console.log(statusLine(fleet));
    oracle?.write();
  }, REPORT_MS);
  const begin = performance.now();
  try {
    await fleet.start(abort.signal);
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    console.log(`${fleet.count('ready')} of ${agents} agents are ready after ${seconds} s`);
    if (keysFile !== undefined) writeIdentities(keysFile, org, seed, fleet.identities());
    await aborted(abort.signal);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    clearInterval(reports);
    await fleet.stop();
    oracle?.write();
  }
  return 0;
}

function statusLine({ stats }: Fleet): string {
  const { agents, sessions, changes, polls, queries, answers, rows, samples, runs, reports, crashes, ends } = stats;
  const states = Object.entries(agents).filter(([, count]) => count > 0);
  const ended = [...ends].map(([name, count]) => `${count} × ${name}`).join(', ');
  return [
    states.map(([state, count]) => `${count} ${state}`).join(', '),
    ...(polls === 0 ? [] : [`${sessions.live} live, ${sessions.poll} poll, ${changes} changes, ${polls} polls`]),
    `${queries} queries, ${answers} answers, ${rows} rows`,
    ...(samples === 0 ? [] : [`${samples} samples`]),
    ...(reports === 0 ? [] : [`${runs} runs, ${reports} reports, ${crashes} crashes`]),
    ...(ended === '' ? [] : [`ended: ${ended}`]),
  ].join(' | ');
}

/** Starts one child process per range of agents. They end when this process does. */
async function spread(args: readonly string[], { processes, fleet, oracleFile }: CommandLine): Promise<number> {
  const share = Math.ceil(fleet.agents / processes);
  const children = Array.from({ length: Math.ceil(fleet.agents / share) }, (_, i) => {
    const count = Math.min(share, fleet.agents - i * share);
    const own = oracleFile === undefined ? [] : [`--oracle=${oracleFile}.${i + 1}`];
    return fork(fileURLToPath(import.meta.url), [...args, ...own, `--range=${i * share}+${count}`]);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => children.forEach((child) => child.kill('SIGTERM')));
  }
  const codes = await Promise.all(
    children.map((child) => new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)))),
  );
  return Math.max(...codes);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
