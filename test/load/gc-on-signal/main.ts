import { Session } from 'node:inspector';

/**
 * Loaded by `--import` into the processes whose memory is measured: SIGUSR2 collects garbage and gives back what is free (V8's
 * low-memory collection, which also shrinks the young generation), so that what is left is what sessions cost and not what their
 * making left behind.
 */
const inspector = new Session();
inspector.connect();
process.on('SIGUSR2', () => {
  inspector.post('HeapProfiler.collectGarbage');
});
