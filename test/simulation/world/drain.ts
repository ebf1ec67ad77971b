/**
 * Runs everything that waits for a promise, until nothing does. What Node itself calls after each callback; a turn of the event loop for
 * each event would do the same, at four times the cost, in system calls mostly. Not from within a promise: then nothing runs.
 */
export const drain = (process as unknown as { readonly _tickCallback: () => void })._tickCallback.bind(process);
