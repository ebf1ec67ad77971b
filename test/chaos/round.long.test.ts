import { roundCase } from './round-case.js';

/** What outlasts a lease, what is frozen, killed and forgotten. */
const FAULTS = [
  'freeze nats 17',
  'kill query-1',
  'freeze query-2 6',
  'kill gateway-1',
  'kill command-1',
  'freeze gateway-2 17',
  'freeze redis 6',
  'kill query-1 + kill query-2',
  'kill nats 1',
  'empty redis',
];

roundCase({
  faults: FAULTS,
  ...{ agents: 300, forMs: 150_000, atLeast: { faults: 3, questions: 50, commands: 300 } },
});
