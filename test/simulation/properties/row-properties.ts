import type { Asked } from '../nodes/caller.js';
import type { Endpoint } from '../nodes/endpoint.js';
import { COLUMNS } from '../nodes/query-node.js';
import { countedRows, hex, KeptRows } from './kept-rows.js';
import { KeptStates } from './kept-states.js';

interface RowFacts {
  readonly endpoints: readonly Endpoint[];
}

/** The promises of the rows of a result, in either form. */
export const ROW_PROPERTIES = {
  'the rows of an endpoint are those that it gave': ({ form, events }: Asked, { endpoints }: RowFacts) => {
    if (form !== 'raw') return undefined;
    const kept = new KeptRows();
    for (const event of events) kept.apply(event);
    for (const [num, rows] of kept.byEndpoint) {
      const given = hex(rowsOf(endpoints, num));
      if (rows !== '' && rows !== given) return `e${num} has the rows ${rows}, and gave ${given}`;
    }
    return undefined;
  },

  // At every moment at which all groups can be read, and at the end.
  'a group counts each endpoint that is told as answered and gave its row, once, and nobody else': (
    { form, events }: Asked,
    { endpoints }: RowFacts,
  ) => {
    if (form !== 'group') return undefined;
    const end = events.at(-1);
    const toldTwice = end?.t === 'ended' ? saysTwice(end.record.truncated) : Number.POSITIVE_INFINITY;
    const states = new KeptStates();
    const rows = new KeptRows();
    for (const event of events) {
      states.apply(event);
      rows.apply(event);
      const isMoment = event.t === 'groups' || event.t === 'ended';
      const fault = isMoment && rows.isWhole ? faultOf(rows, states, { endpoints, toldTwice }) : undefined;
      if (fault !== undefined) return fault;
    }
    return undefined;
  },
} as const satisfies Record<string, (asked: Asked, facts: RowFacts) => string | undefined>;

function faultOf(
  { groups }: KeptRows,
  { states }: KeptStates,
  { endpoints, toldTwice }: RowFacts & { readonly toldTwice: number },
): string | undefined {
  const answered = [...states].flatMap(([num, state]) => (state === 'answered' ? [num] : []));
  const wanted = countedRows(
    answered.map((num) => rowsOf(endpoints, num)),
    COLUMNS.length,
  );
  for (const { row, sample, endpoints: count, copies } of groups) {
    const given = wanted.get(row) ?? { endpoints: 0, copies: 0 };
    wanted.delete(row);
    const surplus = count - given.endpoints;
    const stranger = sample.find((num) => !hex(rowsOf(endpoints, num)).includes(row));
    if (stranger !== undefined) return `e${stranger} is named for ${row}, and did not give it`;
    if (surplus >= 0 && surplus <= toldTwice && (surplus > 0 || copies === given.copies)) continue;
    return `${row} counts ${count} endpoints and ${copies} copies; ${given.endpoints} that answered gave it, ${given.copies} times`;
  }
  const [missing] = wanted;
  return missing && `${missing[0]} is in no group, and ${missing[1].endpoints} that answered gave it`;
}

const rowsOf = (endpoints: readonly Endpoint[], num: number): Uint8Array =>
  endpoints.find(({ identity }) => identity.num === num)?.rows ?? new Uint8Array(0);

/** How many endpoints may be counted twice by the result's own word. */
function saysTwice(truncated: string | undefined): number {
  return Number(/(\d+) endpoints answered over two gateways/.exec(truncated ?? '')?.[1] ?? 0);
}
