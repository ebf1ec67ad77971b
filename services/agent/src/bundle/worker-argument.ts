/** The first argument of the bundle when it is a worker process. */
export const WORKER_ARGUMENT = 'worker-process';
