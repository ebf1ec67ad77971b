import { searchHandOver, type HandOverSearch } from './hand-over/search-hand-over.js';
import { searchJournalFold } from './journal-fold.js';
import type { Searched } from './search/search.js';

const USAGE = `node dist/simulation/exhaustive/main.js [ENDPOINTS FAULTS [FAULT...]]

Searches every state of small cases: the journal of one command, and sessions that move between three gateways. Without arguments what
\`npm test\` looks at. With them only sessions: of so many endpoints (1 or 2), with so many faults at most, of those whose names contain one of
these texts, or of all. "1 2" is every order of any two faults around one endpoint.`;

/** What `npm test` looks at: any fault around two endpoints, and any two of those in which an endpoint moves, or tries to, around one. */
const SEARCHES: readonly HandOverSearch[] = [
  { endpoints: 2, most: 1, faults: [''] },
  { endpoints: 1, most: 2, faults: ['something new', 'gives up'] },
  { endpoints: 1, most: 2, faults: ['something new', 'drains'] },
];

function run(name: string, search: () => Searched): void {
  const begunMs = performance.now();
  const { states, steps, broken } = search();
  const seconds = ((performance.now() - begunMs) / 1_000).toFixed(1);
  console.log(`${name}: ${states} states, ${steps} steps in ${seconds} s`);
  if (broken === undefined) return;
  console.log([`NOT TRUE: ${broken.what}`, ...broken.path].join('\n  '));
  process.exitCode = 1;
}

const handOver = (options: HandOverSearch): void => {
  const { endpoints, most, faults } = options;
  const which = faults.every((name) => name === '') ? 'any' : faults.map((name) => `"${name}"`).join(', ');
  run(`${endpoints} endpoints, ${most} of ${which}`, () => searchHandOver(options));
};

// Not from within a promise: what waits for promises would not run.
setImmediate(() => {
  const [endpoints, most, ...faults] = process.argv.slice(2);
  const given = { endpoints: Number(endpoints), most: Number(most), faults: faults.length > 0 ? faults : [''] };
  if (endpoints === undefined) {
    run('journal of one command', searchJournalFold);
    for (const search of SEARCHES) if (process.exitCode !== 1) handOver(search);
  } else if ([1, 2].includes(given.endpoints) && Number.isSafeInteger(given.most)) handOver(given);
  else {
    console.error(USAGE);
    process.exitCode = 2;
  }
});
