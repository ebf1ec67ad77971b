import { Session } from 'node:inspector';

/**
 * Loaded by `--import` into the processes whose memory is measured. SIGUSR2 runs V8's low-memory garbage collection, which also shrinks
 * the young generation and returns free memory. What is left is the cost of the sessions, without garbage of their creation.
 */
const inspector = new Session();
inspector.connect();
process.on('SIGUSR2', () => {
  inspector.post('HeapProfiler.collectGarbage');
});
