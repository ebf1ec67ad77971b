import { client } from '../api/client.js';
import { LOOK_MS, StreamHub } from './stream-hub.js';

/** The SharedWorker that holds the one stream of all tabs. */
const hub = new StreamHub(client);
setInterval(() => hub.lookAtReaders(), LOOK_MS);
const scope = globalThis as unknown as { onconnect: ((event: MessageEvent) => void) | null };
scope.onconnect = ({ ports }) => {
  for (const port of ports) hub.addReader(port);
};
