import { parentPort } from 'node:worker_threads';
import type { TrafficRow } from '../traffic/traffic-meter.js';
import { createLocalEngine } from './local-engine.js';
import { serveRequests } from './run-request.js';

/** The main module of the worker threads that run statements. It has no access to sessions, keys and tokens. */
if (parentPort === null) throw new Error('this module is the main module of a worker thread');
const port = parentPort;
let traffic: readonly TrafficRow[] = [];
// Not awaited at the top: the bundle is CommonJS.
void createLocalEngine({ traffic: () => traffic }).then((engine) =>
  serveRequests(port, engine, (request) => (traffic = request.traffic ?? [])),
);
