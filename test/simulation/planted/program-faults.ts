import type { PlantedFault } from './planted-fault.js';

const RECONCILER = 'services/command/dist/reconcile/command-reconciler.js';
const QUERY_HANDLER = 'services/gateway/dist/capabilities/queries/query-handler.js';
const READY = 'this.#ready = true;';

/** Mistakes that any program can make: a world that hangs or dies of them would tell nobody. */
export const PROGRAM_FAULTS: readonly PlantedFault[] = [
  {
    name: 'a timer that makes itself again at once',
    edits: [{ file: RECONCILER, is: READY, was: `${READY}\nconst again = () => setTimeout(again, 0);\nagain();` }],
  },
  {
    name: 'promises that wait for one another',
    edits: [
      { file: RECONCILER, is: READY, was: `${READY}\nvoid (async function waits() { for (;;) await undefined; })();` },
    ],
  },
  {
    name: 'a promise is rejected and nobody handles it',
    edits: [{ file: RECONCILER, is: READY, was: `${READY}\nvoid Promise.reject(new Error('planted'));` }],
  },
  {
    name: 'a timer throws',
    edits: [{ file: RECONCILER, is: READY, was: `${READY}\nthrow new Error('planted');` }],
  },
  {
    name: 'a handler of messages throws',
    edits: [
      {
        file: QUERY_HANDLER,
        is: 'this.#heard(heartbeat);',
        was: "this.#heard(heartbeat);\nthrow new Error('planted');",
      },
    ],
  },
];
