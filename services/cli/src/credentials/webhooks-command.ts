import { wholeId } from '../environment/short-ids.js';
import { shortTime } from '../terminal/time-text.js';
import { randomUUID } from 'node:crypto';
import type { BodyOf, operations, WebhookEvent } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { safeJson } from '../terminal/escape.js';
import { TABLE_OUTPUTS, parseOutput, printList } from '../terminal/listing.js';

type NewWebhook = BodyOf<(typeof operations)['createWebhook']>;

/** Without the schemas of the contract, which would make every start slower. */
const EVENTS: readonly WebhookEvent[] = [
  ...(['agent.enrolled', 'agent.revoked', 'health.changed', 'query.ended', 'command.approval_wanted'] as const),
  'hunt.found',
  ...(['command.ended', 'isolation.begun', 'isolation.ended', 'scan.regressed', 'audit.recorded'] as const),
];

interface CreateOptions {
  readonly event: readonly string[];
  readonly target?: string;
  readonly output: string;
}

/** `muster webhooks`: events that are posted to other systems. */
export function addWebhooksCommand(program: Command, env: CommandEnv): void {
  const webhooks = program
    .command('webhooks')
    .description('Events posted to other systems: list, create, delete, deliveries, test.');

  webhooks
    .command('list', { isDefault: true })
    .description('Lists the webhooks, without their secrets.')
    .option('-o, --output <form>', TABLE_OUTPUTS.join('|'), 'table')
    .action(async ({ output }: { output: string }) => {
      await printList(env.terminal, parseOutput(output, TABLE_OUTPUTS), env.client().items('GET /v1/webhooks'), {
        headers: ['id', 'url', 'events', 'bound', 'created'],
        row: ({ id, url, events, selector, createdAt }) => [
          ...[id, url, events.join(','), selector ?? '', shortTime(createdAt)],
        ],
        nothing: 'There are none.',
      });
    });

  webhooks
    .command('create <url>')
    .description('Has events posted to a URL. Prints the secret that signs them: this once.')
    .requiredOption('--event <type...>', EVENTS.join(', '))
    .option('-t, --target <selector>', 'only events of these endpoints')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async (url: string, { event, target, output }: CreateOptions) => {
      const form = parseOutput(output, ['table', 'json']);
      // The server checks them.
      const events = event.flatMap((text) => text.split(',')) as unknown as NewWebhook['events'];
      const body: NewWebhook = { url, events, ...(target === undefined ? {} : { selector: target }) };
      const made = await env.client().call('POST /v1/webhooks', { body, idempotencyKey: randomUUID() });
      const { stdout, stderr } = env.terminal;
      if (form === 'json') return stdout.write(`${safeJson(made)}\n`);
      await stderr.write(`webhook ${made.id} tells ${made.url}; its secret is shown this once:\n`);
      await stdout.write(`${made.secret ?? ''}\n`);
    });

  webhooks
    .command('delete <id>')
    .description('Ends a webhook; what is pending is not delivered.')
    .action(async (text: string) => {
      const id = await wholeId(env.client(), 'webhook', text);
      await env.client().call('DELETE /v1/webhooks/{id}', { params: { id } });
      await env.terminal.stderr.write(`webhook ${id} is deleted\n`);
    });

  webhooks
    .command('deliveries <id>')
    .description('Lists what became of the events of the last three days.')
    .option('--state <state>', 'pending, delivered, dead or dropped')
    .option('-o, --output <form>', TABLE_OUTPUTS.join('|'), 'table')
    .action(async (text: string, { state, output }: { state?: string; output: string }) => {
      const id = await wholeId(env.client(), 'webhook', text);
      const query = state === undefined ? {} : { state: state as 'pending' };
      const items = env.client().items('GET /v1/webhooks/{id}/deliveries', { params: { id }, query });
      await printList(env.terminal, parseOutput(output, TABLE_OUTPUTS), items, {
        headers: ['event', 'type', 'state', 'attempts', 'answer', 'last', 'next', 'why'],
        row: (one) => [
          ...[one.id, one.event, one.state, String(one.attempts), one.lastStatus ? String(one.lastStatus) : ''],
          ...[shortTime(one.lastAttemptAt), shortTime(one.nextAttemptAt), one.lastError ?? ''],
        ],
        nothing: 'There are none.',
      });
    });

  webhooks
    .command('test <id>')
    .description('Sends an event of type webhook.test; see deliveries for what becomes of it.')
    .action(async (text: string) => {
      const id = await wholeId(env.client(), 'webhook', text);
      const { id: event } = await env.client().call('POST /v1/webhooks/{id}/test', { params: { id } });
      await env.terminal.stdout.write(`${event}\n`);
    });
}
