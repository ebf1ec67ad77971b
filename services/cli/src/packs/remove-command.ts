import type { Command } from 'commander';
import { agree, openPrompt } from '../commands/confirm.js';
import type { CommandEnv } from '../environment/command-env.js';
import { counted } from '../terminal/listing.js';

/** `muster pack reject`: what waits is not applied. Who proposed it withdraws it. */
export function addReject(pack: Command, env: CommandEnv): void {
  pack
    .command('reject <id>')
    .description(
      'Rejects the version of a pack that waits for approval; your own is withdrawn. Nobody can approve it any more. Needs the role admin.',
    )
    .option('--reason <text>', 'why; it is in the audit record')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, { reason, yes = false }: { reason?: string; yes?: boolean }) => {
      const prompt = openPrompt(env.terminal, { yes });
      try {
        const client = env.client();
        const params = { id };
        const { digest, version, checks, requestedBy } = await client.call('GET /v1/pack-proposals/{id}', { params });
        if (prompt !== undefined)
          await agree(prompt, [
            `${requestedBy.name} asks to apply ${id} ${version}, ${counted(checks, 'check')}; it will not be applied`,
          ]);
        const body = { digest, ...(reason === undefined ? {} : { reason }) };
        await client.call('POST /v1/pack-proposals/{id}/reject', { params, body });
        await env.terminal.stdout.write(`${id} ${version}: rejected\n`);
      } finally {
        prompt?.close();
      }
    });
}

/** `muster pack remove`: nobody can run it any more. */
export function addRemove(pack: Command, env: CommandEnv): void {
  pack
    .command('remove <id>')
    .description(
      'Removes a pack: it cannot be run any more, and what it found stays. Refused while a schedule runs it. Needs the role admin.',
    )
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, { yes = false }: { yes?: boolean }) => {
      const prompt = openPrompt(env.terminal, { yes });
      try {
        const client = env.client();
        const params = { id };
        if (prompt !== undefined) {
          const { version, checks, appliedBy } = await client.call('GET /v1/packs/{id}', { params });
          await agree(prompt, [
            `${id} ${version}, ${counted(checks, 'check')}, applied by ${appliedBy.name}, can not be run any more`,
            'What it found stays. Scans and hunts that run go on.',
          ]);
        }
        await client.call('DELETE /v1/packs/{id}', { params });
        await env.terminal.stdout.write(`${id}: removed\n`);
      } finally {
        prompt?.close();
      }
    });
}
