import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { EXIT, usageError, CliError } from '../terminal/cli-error.js';
import type { CommandEnv } from '../environment/command-env.js';
import { parseOutput } from '../terminal/listing.js';
import { ask, type Ask } from './ask.js';
import { parseQuestion, type Question } from './question-file.js';
import { OUTPUTS } from './results.js';
import { printTableInfo, tableOfPragma } from './table-info.js';

interface QueryOptions {
  readonly target?: string;
  readonly group?: boolean;
  readonly reduce?: string;
  readonly timeout?: string;
  readonly output: string;
  readonly file?: string;
  readonly quiet?: boolean;
}

const HELP = `
Examples:
  muster query "SELECT name, version FROM os_version"
  muster query "SELECT name, version FROM deb_packages" --target os=linux --group
  muster query "SELECT pid, name FROM processes" --reduce "SELECT name, count(*) AS n FROM rows GROUP BY name ORDER BY n DESC"
  muster query -f docs/questions/open-ports.sql --output csv > ports.csv

Exit codes: 0 all endpoints answered, 1 error, 2 usage, 3 some endpoints did not answer (or not everything was kept),
130 Ctrl-C (the query is cancelled, what came is printed), 141 the reader of the output has gone.`;

export function addQueryCommand(program: Command, env: CommandEnv): void {
  program
    .command('query')
    .description(
      'Asks every connected endpoint in scope; rows go to standard output, progress and the ledger to standard error.',
    )
    .argument('[sql]', 'one SELECT over the tables of `muster tables`')
    .option('-t, --target <selector>', 'which endpoints: os=linux,env in (prod,staging),!quarantined')
    .option('-g, --group', 'equal rows become one, with the number of endpoints')
    .option('-r, --reduce <sql>', 'a second SELECT over all answers, as the table "rows"')
    .option('--timeout <duration>', 'how long endpoints may take: 1s to 10m (default 30s)')
    .option('-o, --output <form>', OUTPUTS.join('|'), 'table')
    .option('-f, --file <path>', 'read the question from a file, "-" for standard input')
    .option('-q, --quiet', 'no progress and no ledger')
    .addHelpText('after', HELP)
    .action(async (sql: string | undefined, options: QueryOptions) => {
      const output = parseOutput(options.output, OUTPUTS);
      const question = buildAsk(await readQuestion(sql, options, env), options);
      const table = tableOfPragma(question.sql);
      if (table !== undefined) return env.exit(await printTableInfo(env, table, output));
      env.exit(await ask(env, question, { output, quiet: options.quiet === true }));
    });
}

async function readQuestion(
  sql: string | undefined,
  { file }: QueryOptions,
  { terminal }: CommandEnv,
): Promise<Question> {
  if (sql !== undefined && file !== undefined) throw usageError('give the SQL or a file, not both');
  if (file === undefined) {
    if (sql === undefined || sql.trim() === '')
      throw usageError('a question is missing', 'muster query "SELECT …", or -f FILE');
    return { sql };
  }
  if (file === '-') return parseQuestion(await terminal.readInput());
  try {
    return parseQuestion(readFileSync(file, 'utf8'));
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(`${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`, {
      exitCode: EXIT.usage,
      cause,
    });
  }
}

/** Options of the command line override those of the file. */
function buildAsk(question: Question, options: QueryOptions): Ask {
  const reduce = options.reduce ?? question.reduce;
  const timeout = options.timeout ?? question.timeout;
  return {
    sql: question.sql,
    selector: options.target ?? question.target ?? '',
    mode: (options.group ?? question.group) === true ? 'group' : 'raw',
    ...(reduce === undefined ? {} : { reduce }),
    ...(timeout === undefined ? {} : { timeout }),
  };
}
