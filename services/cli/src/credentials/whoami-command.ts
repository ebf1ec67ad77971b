import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { parseOutput, renderFacts } from '../terminal/listing.js';
import { shortTime } from '../terminal/time-text.js';

/** `muster whoami`: whose credentials are used, and what they allow. */
export function addWhoamiCommand(program: Command, env: CommandEnv): void {
  program
    .command('whoami')
    .description('Shows whose token this is: role, scope, expiry.')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async ({ output }: { output: string }) => {
      const form = parseOutput(output, ['table', 'json']);
      const me = await env.client().call('GET /v1/me');
      if (form === 'json') return env.terminal.stdout.write(`${safeJson(me)}\n`);
      const { apiUrl, source } = env.context();
      const facts: readonly (readonly [string, string])[] = [
        ['name', me.name],
        ['id', `${me.id} (${me.kind})`],
        ['org', me.org],
        ['role', me.role],
        ['scope', me.selector ?? 'every endpoint'],
        ['expires', shortTime(me.expiresAt) || 'never'],
        ['may', me.permissions.join(' ')],
        ['server', `${apiUrl} (${source})`],
      ];
      await env.terminal.stdout.write(renderFacts(facts.map(([name, value]) => [name, escapeControls(value)])));
    });
}
