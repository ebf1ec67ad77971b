import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readCommandLine, USAGE, type CommandLine } from './command-line.js';
import { onEndOfProcess } from './end-of-process.js';
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
  if (range) return simulate(commandLine, { part: Number(range[1]), agents: Number(range[2]) });
  if (commandLine.processes === 1) return simulate(commandLine, { agents: commandLine.fleet.agents });
  return spread(args, commandLine);
}

async function simulate(
  { fleet: options, keysFile, oracleFile }: CommandLine,
  /** `part`: the index of the first agent, where other processes have the others. */
  { part, agents }: { readonly part?: number; readonly agents: number },
): Promise<number> {
  const { org, seed = 1 } = options;
  const firstIndex = part ?? 0;
  const identities = keysFile === undefined ? undefined : readIdentities(keysFile, org, seed);
  const fleet = new Fleet({ ...options, firstIndex, agents, ...(identities !== undefined && { identities }) });
  const abort = new AbortController();
  onEndOfProcess(() => abort.abort());
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
    if (keysFile !== undefined) writeIdentities(keysFile, { org, seed, part }, fleet.identities());
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

/**
 * Starts one child process per range of agents. They end when this process does. When one fails the others end too: a
 * fleet without some of its agents is none.
 */
async function spread(args: readonly string[], { processes, fleet, oracleFile }: CommandLine): Promise<number> {
  const share = Math.ceil(fleet.agents / processes);
  const children = Array.from({ length: Math.ceil(fleet.agents / share) }, (_, i) => {
    const count = Math.min(share, fleet.agents - i * share);
    const own = oracleFile === undefined ? [] : [`--oracle=${oracleFile}.${i + 1}`];
    return fork(fileURLToPath(import.meta.url), [...args, ...own, `--range=${i * share}+${count}`]);
  });
  let isStopping = false;
  const stop = (): void => {
    isStopping = true;
    for (const child of children) child.kill('SIGTERM');
  };
  onEndOfProcess(stop);
  const ended = (child: ChildProcess, number: number): Promise<number> =>
    new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        const result = code ?? 1;
        if (!isStopping) {
          console.error(
            `process ${number + 1} of ${children.length} ended with ${signal ?? result}; the others end too`,
          );
          stop();
          resolve(result === 0 ? 1 : result);
        } else resolve(result);
      });
    });
  return Math.max(...(await Promise.all(children.map(ended))));
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
