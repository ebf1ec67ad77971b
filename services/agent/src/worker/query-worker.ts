import { parentPort } from 'node:worker_threads';
import { createLocalEngine } from './local-engine.js';
import { serveRequests } from './serve-requests.js';

/** The thread in which statements run. It knows nothing of sessions, keys and tokens. */
if (parentPort === null) throw new Error('this module is the main module of a worker thread');
const port = parentPort;
// Not awaited at the top: the bundle is CommonJS.
void createLocalEngine().then((engine) => serveRequests(port, engine));
