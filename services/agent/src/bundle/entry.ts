import { isMainThread } from 'node:worker_threads';

/** The bundle is the main module of the agent and of its worker threads. */
if (isMainThread) void import('../main.js');
else void import('../worker/query-worker.js');
