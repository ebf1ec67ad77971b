import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { EXIT } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import { styleFor } from '../terminal/table.js';
import { CHECKS, type Finding } from './doctor-checks.js';

/** `muster doctor`: checks each step between this terminal and an endpoint. */
export function addDoctorCommand(program: Command, env: CommandEnv): void {
  const { terminal } = env;
  program
    .command('doctor')
    .description(
      'Looks at each step from this terminal to an endpoint: configuration, DNS, TCP, TLS, API, token, query service, agents.',
    )
    .action(async () => {
      const style = styleFor(terminal.stdout.isTTY, terminal.env);
      const marks = {
        ok: style.green('ok  '),
        warn: style.yellow('warn'),
        fail: style.red('FAIL'),
        skip: style.dim('skip'),
      };
      let failed = false;
      for (const [name, check] of CHECKS) {
        // Checks after a failed one would only fail for the same reason.
        const finding: Finding = failed
          ? { verdict: 'skip', detail: '' }
          : await check(env).catch((error: unknown) => asFinding(env.cliError(error)));
        failed ||= finding.verdict === 'fail';
        await terminal.stdout.write(
          `${marks[finding.verdict]}  ${name.padEnd(14)} ${escapeControls(finding.detail)}\n`,
        );
        if (finding.todo !== undefined)
          await terminal.stdout.write(`      ${' '.repeat(14)} ${style.bold('→')} ${escapeControls(finding.todo)}\n`);
      }
      env.exit(failed ? EXIT.error : EXIT.complete);
    });
}

function asFinding(error: unknown): Finding {
  const { message, hint } = error as { message: string; hint?: string };
  return { verdict: 'fail', detail: message, ...(hint === undefined ? {} : { todo: hint }) };
}
