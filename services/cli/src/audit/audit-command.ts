import type { AuditRecordJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { verifyAudit } from './verify.js';
import { LIST_OUTPUTS, parseLimit, parseOutput, printList } from '../terminal/listing.js';

interface AuditOptions {
  readonly limit: string;
  readonly actor?: string;
  readonly action?: string;
  /** Checked by the server. */
  readonly outcome?: AuditRecordJson['outcome'];
  readonly output: string;
}

/** `muster audit`: who did what, and who was refused. */
export function addAuditCommand(program: Command, env: CommandEnv): void {
  const audit = program
    .command('audit')
    .description('What people did and were refused: list, and verify that nothing of it was changed.');
  addList(audit, env);
  audit
    .command('verify')
    .description(
      'Recomputes the hashes that chain the records; ends with 1 and names the first record that does not fit.',
    )
    .option('--expect-head <hash>', 'a head that was printed before and kept elsewhere: it must still be in the chain')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async ({ expectHead, output }: { expectHead?: string; output: string }) => {
      await verifyAudit(env, { expectHead, asJson: parseOutput(output, ['table', 'json']) === 'json' });
    });
}

function addList(audit: Command, env: CommandEnv): void {
  audit
    .command('list', { isDefault: true })
    .description('Lists what people did and were refused, newest first.')
    .option('--limit <n>', 'at most so many', '50')
    .option('--actor <name>', 'only of this one')
    .option('--action <name>', 'only this: command.submit, or command for all of its kind')
    .option('--outcome <outcome>', 'allowed, refused or failed')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async ({ limit, actor, action, outcome, output }: AuditOptions) => {
      const query = { actor, action, outcome };
      const items = env.client().items('GET /v1/audit', { query, limit: parseLimit(limit) });
      await printList(env.terminal, parseOutput(output, LIST_OUTPUTS), items, {
        headers: ['at', 'who', 'action', 'outcome', 'about', 'scope', 'from'],
        row: (entry) => [
          entry.at.slice(0, 19).replace('T', ' '),
          entry.actorName,
          entry.action,
          entry.code === undefined ? entry.outcome : `${entry.outcome} (${entry.code})`,
          entry.subject ?? '',
          entry.scope ?? '',
          entry.from,
        ],
        nothing: 'There is nothing.',
      });
    });
}
