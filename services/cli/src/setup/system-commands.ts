import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { safeJson } from '../terminal/escape.js';
import { numberText, parseOutput, printList, TABLE_OUTPUTS } from '../terminal/listing.js';
import { shortTime } from '../terminal/time-text.js';

/** `muster services`, `muster policies`, `muster enrolment-secrets`: how the system is set up, and how it fares. */
export function addSystemCommands(program: Command, env: CommandEnv): void {
  const output = TABLE_OUTPUTS.join('|');
  program
    .command('services')
    .description('Lists gateways and services with their versions and states; for admins of the platform.')
    .option('-o, --output <form>', output, 'table')
    .action(async (options: { output: string }) => {
      const form = parseOutput(options.output, TABLE_OUTPUTS);
      const { items, inDoubt } = await env.client().call('GET /v1/services');
      if (inDoubt)
        await env.terminal.stderr.write(
          'there may be further ones, and silent ones may run: Redis, NATS or the API has just come back\n',
        );
      await printList(env.terminal, form, items, {
        headers: ['what', 'id', 'state', 'version', 'since', 'sessions'],
        row: ({ kind, id, state, version, startedAt, sessions }) => [
          ...[
            kind,
            id,
            state,
            version ?? 'not known',
            shortTime(startedAt),
            sessions === undefined ? '' : numberText(sessions),
          ],
        ],
        nothing: 'There are none.',
      });
    });
  program
    .command('policies')
    .description(
      'Prints the policies that are in force for the org, as JSON: approval, limits, recent sign-ins, tables, time.',
    )
    .action(async () => {
      const policies = await env.client().call('GET /v1/policies');
      if (policies.commands === null)
        await env.terminal.stderr.write(
          'no command service says what its policy is: approvals and limits are not known\n',
        );
      await env.terminal.stdout.write(`${safeJson(policies)}\n`);
    });
  program
    .command('enrolment-secrets')
    .description(
      'Lists by name with which secrets endpoints enrol, and how many have; the secrets are at gateways alone.',
    )
    .option('-o, --output <form>', output, 'table')
    .action(async (options: { output: string }) => {
      const form = parseOutput(options.output, TABLE_OUTPUTS);
      const { items, complete, unnamed } = await env.client().call('GET /v1/enrolment-secrets');
      if (!complete)
        await env.terminal.stderr.write(
          'it is not known whether all gateways have answered: there may be further secrets\n',
        );
      if (unnamed > 0) await env.terminal.stderr.write(`${unnamed} enrolled before secrets were kept by name\n`);
      await printList(env.terminal, form, items, {
        headers: ['name', 'state', 'enrolled', 'at most', 'expires', 'a minute', 'at gateways'],
        row: ({ name, state, identities, maxIdentities, expiresAt, perMinute, gateways }) => [
          ...[
            name,
            state === 'unknown' ? 'not known' : state,
            numberText(identities),
            maxIdentities === undefined ? '' : numberText(maxIdentities),
          ],
          ...[shortTime(expiresAt), perMinute === undefined ? '' : numberText(perMinute), gateways],
        ],
        nothing: complete ? 'There are none: no endpoint can enrol.' : 'None is known now.',
      });
    });
}
