import { searchHandOver } from './hand-over/search-hand-over.js';
import type { Searched } from './search.js';

/** `node dist/simulation/exhaustive/main.js 1 2 drains 'stands still past its lease'`: one endpoint, and two of these faults at most. */
const [endpoints = '2', most = '1', ...faults] = process.argv.slice(2);
const begunMs = performance.now();
// Not from within a promise: what waits for promises would not run.
setImmediate(() => {
  const { states, steps, broken }: Searched = searchHandOver({
    faults: faults.length > 0 ? faults : [''],
    most: Number(most),
    endpoints: Number(endpoints),
  });
  console.log(`${states} states, ${steps} steps, ${((performance.now() - begunMs) / 1_000).toFixed(1)} s`);
  if (broken !== undefined) console.log([`NOT TRUE: ${broken.what}`, ...broken.path].join('\n  '));
  process.exitCode = broken === undefined ? 0 : 1;
});
