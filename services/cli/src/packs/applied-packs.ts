import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { addApprove } from './approve-command.js';
import { addReject, addRemove } from './remove-command.js';
import { counted, LIST_OUTPUTS, parseOutput, printList } from '../terminal/listing.js';
import { escapeControls } from '../terminal/escape.js';
import { shortTime } from '../terminal/time-text.js';
import { readSource } from './pack-files.js';

/** `muster pack apply`, `list`, `show`, `waiting`, `approve`, `reject`, `remove`: the packs that endpoints run. They need a server. */
export function addAppliedPacks(pack: Command, env: CommandEnv): void {
  pack
    .command('apply <packs...>')
    .description(
      'Applies packs, files or the names of packs that come along, in your name: the server checks and signs them, and endpoints run them. Needs the role admin.',
    )
    .action(async (files: string[]) => {
      for (const file of files) {
        const { text } = await readSource(file);
        const applied = await env.client().call('POST /v1/packs', { body: { text } });
        const what = `${applied.id} ${applied.version}: ${counted(applied.checks, 'check')}`;
        await env.terminal.stdout.write(
          'digest' in applied
            ? `${what}, waits for the approval of another admin: muster pack approve ${applied.id}\n`
            : `${what}\n`,
        );
      }
    });
  pack
    .command('list')
    .description('Lists the packs that are applied.')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async ({ output }: { output: string }) => {
      const { items } = await env.client().call('GET /v1/packs', {});
      await printList(env.terminal, parseOutput(output, LIST_OUTPUTS), items, {
        headers: ['id', 'version', 'checks', 'title', 'applied', 'by'],
        row: (one) => [
          one.id,
          one.version,
          String(one.checks),
          one.title,
          shortTime(one.appliedAt),
          one.appliedBy.name,
        ],
        nothing: 'There are none. An admin applies one with muster pack apply linux-baseline.',
      });
    });
  pack
    .command('waiting')
    .description('Lists the packs that wait for the approval of another admin.')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async ({ output }: { output: string }) => {
      const { items } = await env.client().call('GET /v1/pack-proposals', {});
      await printList(env.terminal, parseOutput(output, LIST_OUTPUTS), items, {
        headers: ['id', 'version', 'checks', 'title', 'by', 'since', 'until'],
        row: (one) => [
          ...[one.id, one.version, String(one.checks), escapeControls(one.title), escapeControls(one.requestedBy.name)],
          ...[shortTime(one.requestedAt), shortTime(one.expiresAt)],
        ],
        nothing: 'None waits.',
      });
    });
  addApprove(pack, env);
  addReject(pack, env);
  addRemove(pack, env);
  pack
    .command('show <id>')
    .description('Prints the text of a pack that is applied.')
    .option('--waiting', 'of the version that waits for approval')
    .action(async (id: string, { waiting = false }: { waiting?: boolean }) => {
      const client = env.client();
      const { text } = waiting
        ? await client.call('GET /v1/pack-proposals/{id}', { params: { id } })
        : await client.call('GET /v1/packs/{id}', { params: { id } });
      await env.terminal.stdout.write(text.split('\n').map(escapeControls).join('\n'));
    });
}
