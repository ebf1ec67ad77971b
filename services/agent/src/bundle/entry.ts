import { WORKER_ARGUMENT } from './worker-argument.js';

/** The bundle is the agent and its worker processes. */
if (process.argv[2] === WORKER_ARGUMENT) void import('../worker/worker-main.js');
else void import('../main.js');
