import { parseDurationMs } from '@muster/runtime/quantity';
import { OUTCOMES, type Outcome } from '@muster/protocol';
import type { Command } from 'commander';
import { usageError } from '../terminal/cli-error.js';
import type { CommandEnv } from '../environment/command-env.js';
import { readAgentList } from '../environment/agent-list.js';
import { wholeId } from '../environment/short-ids.js';
import { parseOutput } from '../terminal/listing.js';
import { findQuestion, readQuestionFile, sourceNote } from '../questions/library.js';
import { collect, type ParamType, parseQueryParams, type QueryParams, readParam } from '../questions/query-params.js';
import { parseQuestion, type Question } from '../questions/question-file.js';
import { ask, askDetached, type Ask } from './ask.js';
import { excelOption, OUTPUTS } from './results.js';
import { parseUntil } from './until.js';
import { printTableInfo, tableOfPragma } from './table-info.js';

interface QueryOptions {
  readonly target?: string;
  readonly agents?: string;
  readonly group?: boolean;
  readonly reduce?: string;
  readonly timeout?: string;
  readonly budget?: string;
  readonly param: readonly string[];
  readonly output: string;
  readonly file?: string;
  readonly quiet?: boolean;
  readonly excel?: boolean;
  readonly wait?: string;
  readonly until?: string;
  readonly standing?: boolean;
  readonly detach?: boolean;
  readonly retry?: string;
  readonly outcome?: string;
}

const HELP = `
Examples:
  muster query "SELECT name, version FROM os_version"
  muster query "SELECT name, version FROM deb_packages" --target os=linux --group
  muster query "SELECT pid, name FROM processes" --reduce "SELECT name, count(*) AS n FROM rows GROUP BY name ORDER BY n DESC"
  muster query "SELECT path FROM file WHERE path = '/opt/bad'" --wait 7d
  muster query "SELECT pid FROM listening_ports WHERE port = :port" --param port=22
  muster query @port-listeners --param port=22
  muster query -f my-question.sql --output csv > ports.csv

Exit codes: 0 all endpoints answered, 1 error, 2 usage, 3 some endpoints did not answer (or not everything was kept),
130 Ctrl-C (the query is cancelled, what came is printed; a hunt goes on, see muster queries), 141 the reader of the output has gone.`;

export function addQueryCommand(program: Command, env: CommandEnv): void {
  const query = program
    .command('query')
    .description(
      'Asks every connected endpoint in scope; rows go to standard output, progress and the ledger to standard error.',
    )
    .argument(
      '[sql]',
      'one SELECT over the tables of `muster tables`, or @NAME of a saved question (`muster questions`)',
    )
    .addHelpText('after', HELP)
    .action((sql: string | undefined, options: QueryOptions) => runQuery(env, sql, options));
  addQueryOptions(query);
}

/** `muster questions run NAME`: the same for a saved question. */
export function addRunQuestion(questions: Command, env: CommandEnv): void {
  const run = questions
    .command('run <name>')
    .description('Asks a saved question: `muster query @NAME`.')
    .action((name: string, options: QueryOptions) => runQuery(env, `@${name.replace(/^@/, '')}`, options));
  addQueryOptions(run);
}

/** The options of everything that asks a question. */
function addQueryOptions(command: Command): void {
  command
    .option('-t, --target <selector>', 'which endpoints: os=linux,env in (prod,staging),!quarantined')
    .option('--agents <ids>', 'only these endpoints: ids between commas, or a file of ids, "-" for standard input')
    .option('-g, --group', 'equal rows become one, with the number of endpoints')
    .option('-r, --reduce <sql>', 'a second SELECT over all answers, as the table "rows"')
    .option('-p, --param <name=value>', 'a value for :name of the SQL, bound and never pasted; repeatable', collect, [])
    .option('--timeout <duration>', 'how long endpoints may take: 1s to 10m (default 30s)')
    .option(
      '--budget <time[,low]>',
      'what one endpoint may spend: 2s; more than 10s, up to 10m, at low priority: 10m,low (default 10s)',
    )
    .option('--wait <duration>', 'a hunt: ask absent endpoints too, as they connect, for up to 14d')
    .option('--standing', 'with --wait: ask also endpoints that enrol later')
    .option('--retry <query>', 'ask a query again, of its endpoints that gave no answer; the SQL is that of the query')
    .option('--outcome <list>', 'with --retry: only endpoints that ended so: error,timed_out')
    .option(
      '--until <enough>',
      'show what there is at 99% (of the endpoints), 500 (answers) or 10s-quiet, and let it go on',
    )
    .option('-d, --detach', 'print the id of the query and leave it')
    .option('-o, --output <form>', OUTPUTS.join('|'), 'table')
    .option('-f, --file <path>', 'read the question from a file, "-" for standard input')
    .option('--excel', 'CSV for spreadsheets: marked as UTF-8, and no text is run as a formula')
    .option('-q, --quiet', 'no progress and no ledger');
}

/** Asks what the words of the command line say. */
async function runQuery(env: CommandEnv, sql: string | undefined, options: QueryOptions): Promise<void> {
  const { output, excel } = excelOption(parseOutput(options.output, OUTPUTS), options.excel);
  refuseUnused(options);
  const question =
    options.retry === undefined
      ? { ...buildAsk(await readQuestion(sql, options, env), options), ...(await namedAgents(options, env)) }
      : buildRetry(await wholeId(env.client(), 'query', options.retry), sql, options);
  const table = tableOfPragma(question.sql ?? '');
  if (table !== undefined) return env.exit(await printTableInfo(env, table, output));
  if (options.detach === true) return env.exit(await askDetached(env, question));
  const until = options.until === undefined ? {} : { until: parseUntil(options.until) };
  env.exit(await ask(env, question, { output, excel, quiet: options.quiet === true, ...until }));
}

/** An option that nobody reads would ask other endpoints than was meant, or show something else. @throws CliError */
function refuseUnused({ outcome, retry, detach, until, excel, output }: QueryOptions): void {
  if (outcome !== undefined && retry === undefined)
    throw usageError('--outcome says which endpoints --retry asks again; without it everybody would be asked');
  if (detach !== true) return;
  if (until !== undefined) throw usageError('--detach shows no result, so there is no --until');
  if (excel === true || output !== 'table')
    throw usageError('--detach prints an id alone, so there is no form of rows');
}

/** Of `--agents`; a question's own target does not narrow them further. */
async function namedAgents(
  { agents, target, file }: QueryOptions,
  env: CommandEnv,
): Promise<{ agents?: string[]; selector?: string }> {
  if (agents === undefined) return {};
  if (target !== undefined) throw usageError('only one of --target and --agents can say which endpoints');
  if (agents === '-' && file === '-') throw usageError('only one of --agents and --file can be standard input');
  return { agents: await readAgentList(env, agents), selector: '' };
}

async function readQuestion(
  sql: string | undefined,
  { file, quiet }: QueryOptions,
  env: CommandEnv,
): Promise<Question> {
  const { terminal } = env;
  if (sql !== undefined && file !== undefined) throw usageError('give the SQL or a file, not both');
  if (file === '-') return parseQuestion(await terminal.readInput());
  if (file !== undefined) return readQuestionFile(file);
  if (sql === undefined || sql.trim() === '')
    throw usageError('a question is missing', 'muster query "SELECT …", @NAME, or -f FILE');
  const name = /^@(\S+)$/.exec(sql.trim())?.[1];
  if (name === undefined) return { sql };
  const found = await findQuestion(env, name);
  const note = sourceNote(found);
  if (note !== undefined && quiet !== true) await terminal.stderr.write(`${note}\n`);
  return found.question;
}

/** The values given, and the defaults of the others. @throws CliError for what the question does not declare, or needs */
function paramsOf({ params = [] }: Question, words: readonly string[]): QueryParams {
  const types = Object.fromEntries(params.map(({ name, type }): [string, ParamType] => [name, type]));
  const given = parseQueryParams(words, types);
  const values: Record<string, QueryParams[string]> = { ...given };
  for (const { name, type, fallback, value, description } of params) {
    if (Object.hasOwn(given, name)) continue;
    if (fallback === undefined) throw usageError(`the question needs --param ${name}=… (${description ?? type})`);
    values[name] = value === undefined ? readParam(name, type, fallback) : value;
  }
  return values;
}

/** Options of the command line override those of the file. */
function buildAsk(question: Question, options: QueryOptions): Ask {
  const reduce = options.reduce ?? question.reduce;
  const timeout = options.timeout ?? question.timeout;
  const parameters = paramsOf(question, options.param);
  return {
    sql: question.sql,
    selector: options.target ?? question.target ?? '',
    mode: (options.group ?? question.group) === true ? 'group' : 'raw',
    ...(reduce === undefined ? {} : { reduce }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(options.budget === undefined ? {} : { budget: readBudget(options.budget) }),
    ...(options.wait === undefined ? {} : { waitUntil: waitUntil(options.wait) }),
    ...(options.standing === undefined ? {} : { standing: options.standing }),
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
  };
}

function buildRetry(retryOf: string, sql: string | undefined, options: QueryOptions): Ask {
  const { target, agents, group, reduce, file, param, outcome, timeout, wait, standing } = options;
  if ([sql, target, agents, group, reduce, file, param[0]].some((one) => one !== undefined))
    throw usageError(
      '--retry asks the same question; leave out SQL, --file, --target, --agents, --group, --reduce and --param',
    );
  if (standing === true) throw usageError('--retry asks endpoints that are known, so there is no --standing');
  return {
    retryOf,
    ...(outcome === undefined ? {} : { outcome: outcome.split(',').map(readOutcome) }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(options.budget === undefined ? {} : { budget: readBudget(options.budget) }),
    ...(wait === undefined ? {} : { waitUntil: waitUntil(wait) }),
  };
}

/** `10m`, `10m,low`, `5s,normal`. The server says whether it may be so much. */
function readBudget(words: string): NonNullable<Ask['budget']> {
  const [time = '', priority, ...more] = words.split(',').map((word) => word.trim());
  const isPriority = priority === undefined || priority === 'low' || priority === 'normal';
  if (parseDurationMs(time) === undefined || !isPriority || more.length > 0)
    throw usageError(`--budget ${words} is none`, '5s, 10m or 10m,low');
  return { time, ...(priority === undefined ? {} : { priority }) };
}

function readOutcome(text: string): Outcome {
  const outcome = OUTCOMES.find((one) => one === text.trim());
  if (outcome === undefined) throw usageError(`--outcome ${text} is none`, OUTCOMES.join(', '));
  return outcome;
}

function waitUntil(wait: string): string {
  const waitMs = parseDurationMs(wait);
  if (waitMs === undefined) throw usageError(`--wait ${wait} is no duration`, '12h, 7d, at most 14d');
  return new Date(Date.now() + waitMs).toISOString();
}
