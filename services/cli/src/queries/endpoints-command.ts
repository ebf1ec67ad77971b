import { OUTCOMES } from '@muster/protocol';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { wholeId } from '../environment/short-ids.js';
import { usageError } from '../terminal/cli-error.js';
import { parseLimit, parseOutput, printList, TABLE_OUTPUTS } from '../terminal/listing.js';

/** A server that reads everything for each page is asked for large ones. */
const PAGE = 5_000;

const STATES = [...OUTCOMES, 'waiting'] as const;

/** `muster queries endpoints`: who did not answer, and why. */
export function addEndpointsCommand(queries: Command, env: CommandEnv): void {
  queries
    .command('endpoints <query>')
    .description('Lists the endpoints that did not answer, and why.')
    .option('--outcome <outcome>', `only those: ${STATES.join(', ')}`)
    .option('--merged', 'of a retry: as the endpoints stand after it and the queries that it asks again')
    .option('--limit <n>', 'at most so many')
    .option('-o, --output <form>', TABLE_OUTPUTS.join('|'), 'table')
    .action(async (text: string, options: { outcome?: string; merged?: boolean; limit?: string; output: string }) => {
      const form = parseOutput(options.output, TABLE_OUTPUTS);
      const outcome = STATES.find((one) => one === options.outcome);
      if (outcome === undefined && options.outcome !== undefined)
        throw usageError(`"${options.outcome}" is not an outcome`, `it is one of ${STATES.join(', ')}`);
      const items = env.client().items('GET /v1/queries/{id}/endpoints', {
        params: { id: await wholeId(env.client(), 'query', text) },
        query: { outcome, merged: options.merged === true ? 'true' : undefined },
        pageSize: PAGE,
        limit: options.limit === undefined ? undefined : parseLimit(options.limit),
      });
      await printList(env.terminal, form, items, {
        headers: ['host', 'agent', 'outcome', 'code', 'why'],
        row: (one) => [one.host ?? `#${one.num}`, one.agentId ?? '', one.outcome, one.code, one.message],
        nothing: 'There are none: every endpoint answered, or is waited for.',
      });
    });
}
