import type { LabelListJson } from '@muster/api-contract';
import type { Command } from 'commander';
import { nearest } from '../terminal/nearest.js';
import type { CommandEnv } from '../environment/command-env.js';
import { CliError } from '../terminal/cli-error.js';
import { numberText, parseOutput, printList, TABLE_OUTPUTS } from '../terminal/listing.js';
import { whyNobody } from './why-nobody.js';

/** A label may have as many values as there are endpoints. */
const SHOWN = 8;

/** `muster labels`: by what endpoints can be selected. */
export function addLabelsCommand(program: Command, env: CommandEnv): void {
  program
    .command('labels [key]')
    .description(
      'Lists the labels of endpoints and their values with how many endpoints have each, or all values of one label.',
    )
    .option('-t, --target <selector>', 'of these endpoints only')
    .option('-o, --output <form>', TABLE_OUTPUTS.join('|'), 'table')
    .action(async (key: string | undefined, { target, output }: { target?: string; output: string }) => {
      const form = parseOutput(output, TABLE_OUTPUTS);
      const { items } = await env.client().call('GET /v1/labels', { query: { selector: target } });
      const why = items.length > 0 ? undefined : await whyNobody(env.client(), target ?? '');
      const nothing = why ?? 'No endpoint matches.';
      if (key === undefined) {
        await printList(env.terminal, form, items, {
          headers: ['label', 'endpoints', 'values'],
          row: (label) => [label.key, numberText(label.endpoints), valuesText(label)],
          nothing,
        });
        return;
      }
      const label = items.find((one) => one.key === key);
      if (label === undefined && items.length > 0) throw unknownLabel(key, items);
      await printList(env.terminal, form, label?.values ?? [], {
        headers: ['value', 'endpoints'],
        row: ({ value, endpoints }) => [value, numberText(endpoints)],
        nothing,
      });
    });
}

function valuesText({ values, distinct }: LabelListJson['items'][number]): string {
  const shown = values.slice(0, SHOWN).map(({ value, endpoints }) => `${value} (${numberText(endpoints)})`);
  return [...shown, ...(distinct > SHOWN ? [`… ${numberText(distinct - SHOWN)} more`] : [])].join(', ');
}

function unknownLabel(key: string, items: LabelListJson['items']): CliError {
  const meant = nearest(
    key,
    items.map((one) => one.key),
  );
  return new CliError(`no endpoint has the label ${key}`, {
    hint: meant === undefined ? '`muster labels` lists them' : `did you mean ${meant}?`,
  });
}
