import { roundCase } from './round-case.js';

// What outlasts a lease, and each part alone: round.long.test.ts
roundCase({
  faults: ['kill query-1 + kill gateway-1', 'freeze query-2 6', 'kill nats 1', 'kill command-1 + empty redis'],
  ...{ agents: 150, forMs: 90_000, atLeast: { faults: 2, questions: 15, commands: 80 } },
});
