import { types } from 'node:util';
import { Command, CommanderError } from 'commander';
import { addActionsCommand } from './actions/actions-command.js';
import { addAgentsCommand } from './agents/agents-command.js';
import { addAuditCommand } from './audit/audit-command.js';
import { addBandwidthCommand } from './bandwidth/bandwidth-command.js';
import { ProcessEnv } from './environment/command-env.js';
import { addCommandsCommand } from './commands/commands-command.js';
import { addRunCommand } from './commands/run-command.js';
import { addUndoCommand } from './commands/undo-command.js';
import { addCompletionCommand } from './completion/completion-command.js';
import { addContextCommand } from './setup/context-command.js';
import { addDoctorCommand } from './setup/doctor-command.js';
import { addSystemCommands } from './setup/system-commands.js';
import { CliError, EXIT, type ExitCode } from './terminal/cli-error.js';
import { addConsoleCommand } from './credentials/console-command.js';
import { addKeysCommand } from './credentials/keys-command.js';
import { addModeCommand } from './agents/mode-command.js';
import { escapeControls } from './terminal/escape.js';
import { addPackCommand } from './packs/pack-command.js';
import { styleFor } from './terminal/table.js';
import { addQueriesCommand } from './queries/queries-command.js';
import { addQueryCommand, addRunQuestion } from './query/query-command.js';
import { addQuestionsCommand } from './questions/questions-command.js';
import { addTablesCommand } from './query/tables-command.js';
import { ClosedPipe, type Terminal } from './terminal/terminal.js';
import { addTokensCommand } from './credentials/tokens-command.js';
import { addWebhooksCommand } from './credentials/webhooks-command.js';
import { addLabelsCommand } from './labels/labels-command.js';
import { addVulnerabilitiesCommand } from './vulnerabilities/vulnerabilities-command.js';
import { addWhoamiCommand } from './credentials/whoami-command.js';
import { addFeedCommand } from './feeds/feed-command.js';
import { addHealthCommand } from './health/health-command.js';
import { addExceptionCommand } from './scans/exception-command.js';
import { addScanCommand } from './scans/scan-command.js';
import { addScheduleCommand } from './scans/schedule-command.js';
import { addShellCommand } from './shell/shell-command.js';
import { addTopCommand } from './top/top-command.js';
import { addVersionCommand, asksForVersion } from './setup/version-command.js';

/** Runs one command line and returns the exit code. Resolves when all output has been written. */
export async function runCli(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const env = new ProcessEnv(terminal);
  // Commander does not wait for its writes; they are awaited at the end.
  const writes: Promise<void>[] = [];
  const program = createProgram(env, (out, text) => void writes.push(terminal[out].write(text)));
  try {
    await program.parseAsync(asksForVersion(argv) ? ['version'] : [...argv], { from: 'user' });
    await Promise.all(writes);
    return env.exitCode;
  } catch (error) {
    await Promise.allSettled(writes);
    return await report(env.cliError(error), terminal);
  } finally {
    env.close();
  }
}

/** The tree of all commands. Completion walks the same tree. */
export function createProgram(env: ProcessEnv, write: (out: 'stdout' | 'stderr', text: string) => void): Command {
  const { stdout, stderr } = env.terminal;
  const program = new Command('muster')
    .description('Ask every endpoint of a fleet, and know who answered; act on them, and know what became of it.')
    .option('--context <name>', 'a named server of `muster context` instead of the current one')
    .option('--utc', 'times in UTC instead of the zone of this machine (TZ)')
    .option('-V, --version', 'print the version')
    .hook('preAction', (_, action) => {
      const { context, utc } = action.optsWithGlobals<{ context?: string; utc?: boolean }>();
      env.contextName = context;
      if (utc === true) env.terminal.useUtc();
    });
  const output = {
    writeOut: (text: string) => write('stdout', text),
    writeErr: (text: string) => write('stderr', text),
    getOutHelpWidth: () => stdout.columns ?? 100,
    getErrHelpWidth: () => stderr.columns ?? 100,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  };
  // Set before commands are added: they inherit it.
  program.exitOverride().configureOutput(output).showHelpAfterError('(--help shows how it is used)');
  addQueryCommand(program, env);
  addShellCommand(program, env, (error) => report(error, env.terminal));
  addRunQuestion(addQuestionsCommand(program, env), env);
  addQueriesCommand(program, env);
  addRunCommand(program, env);
  addCommandsCommand(program, env);
  addUndoCommand(program, env);
  addActionsCommand(program, env);
  addAgentsCommand(program, env);
  addModeCommand(program, env);
  addTopCommand(program, env);
  addHealthCommand(program, env);
  addBandwidthCommand(program, env);
  addTablesCommand(program, env);
  addPackCommand(program, env);
  addScanCommand(program, env);
  addScheduleCommand(program, env);
  addExceptionCommand(program, env);
  addFeedCommand(program, env);
  addVulnerabilitiesCommand(program, env);
  addLabelsCommand(program, env);
  addWhoamiCommand(program, env);
  addConsoleCommand(program, env);
  addTokensCommand(program, env);
  addWebhooksCommand(program, env);
  addAuditCommand(program, env);
  addContextCommand(program, env);
  addKeysCommand(program, env);
  addSystemCommands(program, env);
  addDoctorCommand(program, env);
  addCompletionCommand(program, env);
  addVersionCommand(program, env);
  return program;
}

async function report(error: unknown, terminal: Terminal): Promise<ExitCode> {
  if (error instanceof ClosedPipe) return EXIT.closedPipe;
  // Help and version end this way too. Commander has already written the message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.complete : EXIT.usage;
  const style = styleFor(terminal.stderr.isTTY, terminal.env);
  const known = error instanceof CliError;
  const message = types.isNativeError(error) ? error.message : String(error);
  const lines = [`${style.red('error:')} ${escapeControls(message)}`];
  if (known) lines.push(...error.excerpt);
  if (known && error.hint !== undefined) lines.push(`${style.dim('hint:')} ${escapeControls(error.hint)}`);
  // What the system refuses names its file itself; where in the program that was helps nobody.
  if (!known && types.isNativeError(error) && !('syscall' in error)) lines.push(error.stack ?? '');
  await terminal.stderr.write(`${lines.join('\n')}\n`).catch(() => undefined);
  return known ? error.exitCode : EXIT.error;
}
