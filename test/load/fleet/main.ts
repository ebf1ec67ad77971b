import { BareFleet } from './bare-fleet.js';
import { Fleet } from '../../simulator/index.js';
import { readIdentities, writeIdentities } from '../../simulator/fleet/identity-file.js';
import type { FleetRequest, FleetReply } from './fleet-messages.js';

/** The fleet of a bench in a process of its own, so that agents do not share a thread with who asks and measures. */

type Start = Exclude<FleetRequest, { t: 'oracle' }>;

let fleet: Fleet | undefined;

async function start(order: Start): Promise<number> {
  if (order.t === 'bare') {
    const { answerHex, ...options } = order;
    const bare = new BareFleet({ ...options, answer: Buffer.from(answerHex, 'hex') });
    await bare.start();
    return order.agents;
  }
  const { options, keysFile } = order;
  const { org, seed = 1 } = options;
  fleet = new Fleet({ ...options, identities: readIdentities(keysFile, org, seed) });
  await fleet.start();
  writeIdentities(keysFile, org, seed, fleet.identities());
  return fleet.count('ready');
}

function report(message: FleetReply): void {
  process.send?.(message);
}

process.on('message', (order: FleetRequest) => {
  if (order.t === 'oracle') {
    report({ t: 'oracle', runs: fleet?.oracle.all ?? [] });
    return;
  }
  start(order).then(
    (ready) => report({ t: 'ready', ready }),
    (error: unknown) => report({ t: 'failed', message: error instanceof Error ? error.message : String(error) }),
  );
});
process.once('disconnect', () => process.exit(0));
