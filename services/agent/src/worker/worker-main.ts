import type { RecordedEvents } from '../events/contract/recorded-events.js';
import { createLocalEngine } from './local-engine.js';
import type { RunningAgent } from '../tables/platform-tables.js';
import type { TrafficRow } from '../traffic/traffic-meter.js';
import { PathNote } from './path-note.js';
import { serveAgent } from './worker-server.js';

/** The main module of the worker processes. It has no access to sessions, keys and tokens. */
const note = new PathNote();
let traffic: readonly TrafficRow[] = [];
let events: RecordedEvents | undefined;
let about: RunningAgent = {};
serveAgent({
  note,
  // The agent is the parent; its environment has secrets.
  openEngine: (onLook) =>
    createLocalEngine({
      ...{ about: () => about, traffic: () => traffic, events: () => events },
      ...{ touch: note.set, agentPid: process.ppid, onLook },
    }),
  prepare: (query) => {
    traffic = query.traffic ?? [];
    events = query.events;
    about = query.about ?? {};
  },
  openActions: async (reply) => (await import('./action-server.js')).serveActions(reply, note),
});
