import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { usageError } from '../terminal/cli-error.js';
import { safeJson } from '../terminal/escape.js';
import { parseOutput } from '../terminal/listing.js';
import { shortTime } from '../terminal/time-text.js';

const OUTPUTS = ['table', 'json'] as const;

const HELP = `
Examples:
  muster console                 # the address of the console, with a link that signs in once
  muster console --for 1h
  xdg-open "$(muster console)"

Whoever opens the link first is signed in with your rights: give it to nobody else.`;

/** `muster console`: a new link that signs in to the console once. */
export function addConsoleCommand(program: Command, env: CommandEnv): void {
  program
    .command('console')
    .description('Makes a link that signs its first user in to the console, with your rights.')
    .option('--for <duration>', 'how long it may be used: 1m to 1h', '10m')
    .option('-o, --output <form>', OUTPUTS.join('|'), 'table')
    .addHelpText('after', HELP)
    .action(async ({ for: life, output }: { for: string; output: string }) => {
      const form = parseOutput(output, OUTPUTS);
      if (!/^\d+(s|m|h)$/.test(life)) throw usageError(`--for is no duration: ${life}`, 'such as 10m, at most 1h');
      const { path, url, expiresAt } = await env.client().call('POST /v1/session/links', { body: { for: life } });
      const { consoleUrl, apiUrl } = env.context();
      const address = url ?? `${(consoleUrl ?? apiUrl).replace(/\/+$/, '')}${path}`;
      const { stdout, stderr } = env.terminal;
      if (form === 'json') return await stdout.write(`${safeJson({ url: address, expiresAt })}\n`);
      await stdout.write(`${address}\n`);
      await stderr.write(`It signs in once, until ${shortTime(expiresAt)}.\n`);
    });
}
