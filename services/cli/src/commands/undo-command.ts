import type { Command } from 'commander';
import { commandText } from '../actions/params.js';
import type { CommandEnv } from '../environment/command-env.js';
import { counted, LIST_OUTPUTS, parseOutput } from '../terminal/listing.js';
import { commandParams } from './command-id.js';
import { agree, openPrompt } from './confirm.js';
import type { SubmitCall } from './submit.js';
import { submitAndReport } from './submit-and-report.js';

interface UndoOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly expires?: string;
  readonly reason?: string;
  readonly output: string;
}

/** `muster undo`: reverses a command on the targets where it succeeded. */
export function addUndoCommand(program: Command, env: CommandEnv): void {
  program
    .command('undo <command>')
    .description('Takes back what a command did, on the endpoints where it succeeded.')
    .option('-y, --yes', 'do not ask')
    .option('-n, --dry-run', 'say what would be done, change nothing; waits for the answers')
    .option('-w, --wait', 'print each outcome as it comes, then the ledger')
    .option('--expires <duration>', 'how long it waits for endpoints that are away: 1h, 7d (default 24h; dry run 2m)')
    .option('--reason <text>', 'why; kept in the audit record')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async (id: string, options: UndoOptions) => {
      const { yes = false, dryRun = false, wait = false, reason } = options;
      const output = parseOutput(options.output, LIST_OUTPUTS);
      const params = await commandParams(env.client(), id);
      const prompt = openPrompt(env.terminal, { yes: yes || dryRun });
      try {
        if (prompt !== undefined) {
          const command = await env.client().call('GET /v1/commands/{id}', { params });
          await agree(prompt, [
            `undo ${commandText(command.action, command.params)}`,
            `on ${counted(command.ledger.succeeded, 'target')} where it succeeded`,
          ]);
        }
        const expires = options.expires ?? (dryRun ? '2m' : undefined);
        const body = {
          dryRun,
          ...(expires === undefined ? {} : { expiresIn: expires }),
          ...(reason === undefined ? {} : { reason }),
        };
        const undo = (call: SubmitCall) => env.client().call('POST /v1/commands/{id}/undo', { ...call, params, body });
        await submitAndReport(env, undo, { output, watch: wait || dryRun });
      } finally {
        prompt?.close();
      }
    });
}
