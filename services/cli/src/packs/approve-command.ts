import { ApiProblem, type ApiClient } from '@muster/api-client';
import { diffPacks, type Pack, readPack } from '@muster/packs';
import type { Command } from 'commander';
import { agree, openPrompt } from '../commands/confirm.js';
import type { CommandEnv } from '../environment/command-env.js';
import { counted } from '../terminal/listing.js';

const SHOWN = 20;

/** `muster pack approve`: the second person. They are shown what changes; what is approved is that text and no other. */
export function addApprove(pack: Command, env: CommandEnv): void {
  pack
    .command('approve <id>')
    .description('Approves the version of a pack that another admin has applied, and that waits. Needs the role admin.')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, { yes = false }: { yes?: boolean }) => {
      const prompt = openPrompt(env.terminal, { yes });
      try {
        const client = env.client();
        const params = { id };
        const waiting = await client.call('GET /v1/pack-proposals/{id}', { params });
        if (prompt !== undefined) {
          const { version, checks, requestedBy, why } = waiting;
          await agree(prompt, [
            `${requestedBy.name} asks to apply ${id} ${version}, ${counted(checks, 'check')}`,
            ...(await changesOf(client, id, waiting.text)),
            `It needs approval: ${why}. muster pack show ${id} --waiting prints it.`,
          ]);
        }
        const body = { digest: waiting.digest };
        const applied = await client.call('POST /v1/pack-proposals/{id}/approve', { params, body });
        await env.terminal.stdout.write(
          `${applied.id} ${applied.version}: ${counted(applied.checks, 'check')}, approved\n`,
        );
      } finally {
        prompt?.close();
      }
    });
}

async function changesOf(client: ApiClient, id: string, text: string): Promise<string[]> {
  const proposed = packOf(text);
  const present = await client.call('GET /v1/packs/{id}', { params: { id } }).catch((error: unknown) => {
    if (error instanceof ApiProblem && error.code === 'not_found') return undefined;
    throw error;
  });
  if (present === undefined) return ['none is applied yet'];
  const before = packOf(present.text);
  if (proposed === undefined || before === undefined) {
    const which = proposed === undefined ? 'the version that waits' : `${present.version}, which is applied`;
    return [
      `What changes is not known: this muster cannot read ${which}. Compare the texts before you approve:`,
      `  muster pack show ${id}; muster pack show ${id} --waiting`,
    ];
  }
  const { pack, added, removed, changed } = diffPacks(before, proposed);
  const lines = [
    ...pack.map((key) => `  pack: ${key}`),
    ...removed.map((one) => `- ${one}`),
    ...added.map((one) => `+ ${one}`),
    ...changed.map(({ id: one, keys }) => `~ ${one}: ${keys.join(', ')}`),
  ];
  if (lines.length === 0) return [`${present.version} is applied, and is equal`];
  const more = lines.length > SHOWN ? [`… and ${lines.length - SHOWN} more`] : [];
  return [`${present.version} is applied; what changes:`, ...lines.slice(0, SHOWN), ...more];
}

function packOf(text: string): Pack | undefined {
  const read = readPack(text);
  return read.ok ? read.pack : undefined;
}
