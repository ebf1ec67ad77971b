import { wholeId } from '../environment/short-ids.js';
import { shortTime } from '../terminal/time-text.js';
import { randomUUID } from 'node:crypto';
import type { BodyOf, operations } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { safeJson } from '../terminal/escape.js';
import { TABLE_OUTPUTS, parseOutput, printList } from '../terminal/listing.js';

/** Checked by the server. */
type Role = BodyOf<(typeof operations)['createToken']>['role'];

interface CreateOptions {
  readonly role: Role;
  readonly target?: string;
  readonly expires?: string;
  readonly output: string;
}

/** `muster tokens`: what operators and scripts authenticate with. */
export function addTokensCommand(program: Command, env: CommandEnv): void {
  const tokens = program.command('tokens').description('Operator tokens: list, create, revoke.');

  tokens
    .command('list', { isDefault: true })
    .description('Lists the tokens; their secrets are kept nowhere.')
    .option('-o, --output <form>', TABLE_OUTPUTS.join('|'), 'table')
    .action(async ({ output }: { output: string }) => {
      await printList(env.terminal, parseOutput(output, TABLE_OUTPUTS), env.client().items('GET /v1/tokens'), {
        headers: ['id', 'name', 'role', 'state', 'expires', 'last used', 'bound'],
        row: (token) => [
          token.tokenId,
          token.name,
          token.role,
          token.state,
          shortTime(token.expiresAt) || 'never',
          shortTime(token.lastUsedAt),
          token.selector ?? '',
        ],
        nothing: 'There are none.',
      });
    });

  tokens
    .command('create <name>')
    .description('Makes a token and prints it: this once, it is kept nowhere.')
    .requiredOption('--role <role>', 'viewer, analyst, responder or admin')
    .option('-t, --target <selector>', 'bounds what the token may see and touch')
    .option('--expires <duration>', 'how long it is valid: 12h, 90d (default: for ever)')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async (name: string, { role, target, expires, output }: CreateOptions) => {
      const form = parseOutput(output, ['table', 'json']);
      const body = { name, role, selector: target, expiresIn: expires };
      const made = await env.client().call('POST /v1/tokens', { body, idempotencyKey: randomUUID() });
      const { stdout, stderr } = env.terminal;
      if (form === 'json') return stdout.write(`${safeJson(made)}\n`);
      await stderr.write(
        `${made.name} (${made.tokenId}), ${made.role}, ${made.expiresAt === undefined ? 'does not expire' : `until ${shortTime(made.expiresAt)}`}; shown this once:\n`,
      );
      await stdout.write(`${made.token ?? ''}\n`);
    });

  tokens
    .command('revoke <id>')
    .description('Ends a token.')
    .action(async (text: string) => {
      const id = await wholeId(env.client(), 'token', text);
      await env.client().call('DELETE /v1/tokens/{id}', { params: { id } });
      await env.terminal.stderr.write(`token ${id} is revoked\n`);
    });
}
