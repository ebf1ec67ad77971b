import { isMainThread } from 'node:worker_threads';

/** One file, two programs: the agent, and in its threads the one that runs statements. */
if (isMainThread) void import('../main.js');
else void import('../worker/query-worker.js');
