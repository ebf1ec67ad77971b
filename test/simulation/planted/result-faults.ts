import type { PlantedFault } from './planted-fault.js';

const AGGREGATOR = 'services/query/dist/aggregation/result-aggregator.js';
const ADDED = 'this.groups.addBlock(groups);';

/** Rows that are not those that endpoints gave, while every ledger is right. */
export const RESULT_FAULTS: readonly PlantedFault[] = [
  { name: 'the groups of a gateway are dropped', edits: [{ file: AGGREGATOR, is: ADDED, was: ';' }] },
  {
    name: 'the groups of a gateway are counted twice',
    edits: [{ file: AGGREGATOR, is: ADDED, was: `(${ADDED.slice(0, -1)}, ${ADDED.slice(0, -1)});` }],
  },
  {
    name: 'the rows of an answer are those of the one before it',
    edits: [
      {
        file: AGGREGATOR,
        is: 'bytes: block.subarray(from, to)',
        was: 'bytes: (this.before ??= block.subarray(from, to))',
      },
    ],
  },
  {
    name: 'a gateway that stood still past its lease goes on with the sessions that it had',
    edits: [{ file: 'services/gateway/dist/sessions/session-manager.js', is: "this.endAll('fenced');", was: '' }],
  },
];
