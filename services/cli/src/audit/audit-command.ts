import { secondsTime } from '../terminal/time-text.js';
import type { AuditRecordJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { timeQuery } from '../terminal/began-options.js';
import { followAudit, type FollowAuditOptions } from './follow.js';
import { verifyAudit } from './verify.js';
import { TABLE_OUTPUTS, parseOutput, printLong, usualLimit } from '../terminal/listing.js';

interface AuditOptions {
  readonly limit?: string;
  readonly actor?: string;
  readonly action?: string;
  /** Checked by the server. */
  readonly outcome?: AuditRecordJson['outcome'];
  readonly since?: string;
  readonly until?: string;
  readonly output: string;
}

interface VerifyFlags {
  readonly expectHead?: string;
  readonly heads?: string;
  readonly headsKeys?: string;
  readonly append?: boolean;
  readonly output: string;
}

/** `muster audit`: who did what, and who was refused. */
export function addAuditCommand(program: Command, env: CommandEnv): void {
  const audit = program
    .command('audit')
    .description('What people did and were refused: list, follow, and verify that nothing of it was changed.');
  addList(audit, env);
  addFollow(audit, env);
  audit
    .command('verify')
    .description(
      'Recomputes the hashes that chain the records; ends with 1 and names the first record that does not fit.',
    )
    .option('--expect-head <hash>', 'a head that was printed before and kept elsewhere: it must still be in the chain')
    .option(
      '--heads <file>',
      'heads that were kept elsewhere, a JSON object in each line: all of them must be in the chain',
    )
    .option('--heads-keys <file>', 'each of these heads must be signed by one of the keys of this public JWKS')
    .option('--append', 'adds the head of today to the file, when nothing is wrong; makes the file')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async ({ output, ...options }: VerifyFlags) => {
      await verifyAudit(env, { ...options, asJson: parseOutput(output, ['table', 'json']) === 'json' });
    });
}

function addList(audit: Command, env: CommandEnv): void {
  audit
    .command('list', { isDefault: true })
    .description('Lists what people did and were refused, newest first.')
    .option(...usualLimit(50))
    .option('--actor <name>', 'only of this one')
    .option('--action <name>', 'only this: command.submit, or command for all of its kind')
    .option('--outcome <outcome>', 'allowed, refused or failed')
    .option('--since <time>', 'only of this time or later: 2h, 7d, 2026-11-24, 2026-11-24T20:41Z')
    .option('--until <time>', 'only of before')
    .option('-o, --output <form>', TABLE_OUTPUTS.join('|'), 'table')
    .action(async ({ limit, actor, action, outcome, output, ...times }: AuditOptions) => {
      const query = { actor, action, outcome, ...timeQuery(times) };
      const itemsOf = (most?: number) => env.client().items('GET /v1/audit', { query, limit: most });
      const form = parseOutput(output, TABLE_OUTPUTS);
      await printLong(env.terminal, form, { limit, usual: 50 }, itemsOf, {
        headers: ['at', 'who', 'action', 'outcome', 'about', 'scope', 'from'],
        row: (entry) => [
          secondsTime(entry.at),
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

function addFollow(audit: Command, env: CommandEnv): void {
  audit
    .command('follow')
    .description(
      'Writes the records as lines of JSON, oldest first, and new ones as they come, until Ctrl-C. The place to go on from is in each line.',
    )
    .option('--after <seq>', 'only records after this one: `seq` of a line, `metadata.sequence` in OCSF')
    .option('--no-wait', 'end when all that is kept is written')
    .option('--actor <name>', 'only of this one')
    .option('--action <name>', 'only this: command.submit, or command for all of its kind')
    .option('--outcome <outcome>', 'allowed, refused or failed')
    .option('--since <time>', 'only of this time or later: 2h, 7d, 2026-11-24, 2026-11-24T20:41Z')
    .option('--until <time>', 'only of before')
    .option('-o, --output <form>', 'ndjson|ocsf', 'ndjson')
    .action(async (options: FollowAuditOptions) => {
      parseOutput(options.output, ['ndjson', 'ocsf']);
      env.exit(await followAudit(env, options));
    });
}
