import { parentPort } from 'node:worker_threads';
import type { TrafficRow } from '../traffic/traffic-meter.js';
import { createLocalEngine } from './local-engine.js';
import { serveRequests } from './serve-requests.js';

/** The thread in which statements run. It knows nothing of sessions, keys and tokens. */
if (parentPort === null) throw new Error('this module is the main module of a worker thread');
const port = parentPort;
let traffic: readonly TrafficRow[] = [];
// Not awaited at the top: the bundle is CommonJS.
void createLocalEngine({ traffic: () => traffic }).then((engine) =>
  serveRequests(port, engine, (request) => (traffic = request.traffic ?? [])),
);
