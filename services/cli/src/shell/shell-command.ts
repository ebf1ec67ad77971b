import type { Command } from 'commander';
import { serverWords } from '../completion/dynamic.js';
import type { CommandEnv } from '../environment/command-env.js';
import { ask, type Ask } from '../query/ask.js';
import { splitStatements } from '../sql/sql-pieces.js';
import { printTableInfo } from '../query/table-info.js';
import { ClosedPipe } from '../terminal/terminal.js';
import { usageError } from '../terminal/cli-error.js';
import { completeLine } from './complete-line.js';
import { historyPath, ShellHistory } from './history.js';
import { changeSetting, HELP, type ShellSettings } from './settings.js';

export function addShellCommand(program: Command, env: CommandEnv, report: (error: unknown) => Promise<unknown>): void {
  program
    .command('shell')
    .description(
      'Asks one question after the other: history, completion, .tables, \\x and \\timing, as in psql and osqueryi.',
    )
    .option('-t, --target <selector>', 'which endpoints; .target changes it', '')
    .addHelpText('after', `\n${HELP}`)
    .action(async ({ target }: { readonly target: string }) => {
      // Without a server there is nothing to ask: that is said at once.
      env.context();
      await new Shell(env, target, report).run();
    });
}

const ENDS = new Set(['.quit', '.exit', '\\q', 'exit', 'quit']);

class Shell {
  readonly #env: CommandEnv;
  readonly #report: (error: unknown) => Promise<unknown>;
  readonly #settings: ShellSettings;
  readonly #history: ShellHistory;
  #tables: Promise<readonly string[]> | undefined;

  constructor(env: CommandEnv, target: string, report: (error: unknown) => Promise<unknown>) {
    this.#env = env;
    this.#report = report;
    this.#settings = { target, group: false, timeout: undefined, output: 'table', timing: false };
    const { home, env: variables } = env.terminal;
    this.#history = new ShellHistory(historyPath(home, variables));
  }

  async run(): Promise<void> {
    const { terminal } = this.#env;
    const words = serverWords(this.#env);
    const known = { tables: () => (this.#tables ??= words.tables()), columns: (sql: string) => words.columns(sql) };
    let sql = '';
    const editor = terminal.openEditor({
      history: this.#history.lines,
      complete: (line) => completeLine(sql + line, known),
    });
    if (editor.isInteractive)
      await terminal.stderr.write('SQL ends with a semicolon; .help says what else there is.\n');
    try {
      for (;;) {
        const line = await editor.read(sql === '' ? 'muster> ' : '   ...> ');
        if (line === undefined || (sql === '' && ENDS.has(line.trim()))) break;
        if (line === '' && editor.isInteractive) {
          sql = '';
          continue;
        }
        if (editor.isInteractive) this.#history.add(line);
        sql = await this.#take(sql, line);
      }
      if (sql.trim() !== '') await this.#statement(sql);
    } finally {
      editor.close();
    }
  }

  /** Returns what of a statement is not run yet. */
  async #take(before: string, line: string): Promise<string> {
    if (before === '' && /^[.\\]/.test(line.trim())) {
      await this.#shown(() => this.#command(line.trim()));
      return '';
    }
    const { statements, rest } = splitStatements(`${before}${line}\n`);
    for (const sql of statements) await this.#statement(sql);
    return rest.trim() === '' ? '' : rest;
  }

  #statement(sql: string): Promise<void> {
    const { target, group, timeout, output, timing } = this.#settings;
    return this.#shown(async () => {
      const startedMs = performance.now();
      const question: Ask = {
        sql: sql.trim(),
        selector: target,
        mode: group ? 'group' : 'raw',
        ...(timeout === undefined ? {} : { timeout }),
      };
      await ask(this.#env, question, { output, quiet: false });
      const tookMs = Math.round(performance.now() - startedMs);
      if (timing) await this.#env.terminal.stderr.write(`Time: ${tookMs} ms\n`);
    });
  }

  async #command(line: string): Promise<void> {
    const [word = '', ...rest] = line.split(/\s+/);
    const value = rest.join(' ').replace(/;$/, '');
    const { stdout, stderr } = this.#env.terminal;
    if (word === '.help') return stderr.write(HELP);
    if (word === '.schema') {
      if (value === '') throw usageError('.schema needs the name of a table');
      await printTableInfo(this.#env, value, 'table');
      return;
    }
    if (word === '.tables') {
      const names = await (this.#tables ??= serverWords(this.#env).tables());
      return stdout.write(
        names
          .filter((name) => name.includes(value))
          .map((name) => `${name}\n`)
          .join(''),
      );
    }
    const changed = changeSetting(this.#settings, word, value);
    if (changed === undefined) throw usageError(`${word} is no command of the shell`, '.help lists them');
    return stderr.write(`${changed}\n`);
  }

  /** An error is said, and the shell goes on; without a reader of its output it ends. */
  async #shown(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (error instanceof ClosedPipe) throw error;
      await this.#report(this.#env.cliError(error));
    }
  }
}
