import { BareFleet } from './bare-fleet.js';
import { Fleet, type FleetOptions } from '../../simulator/index.js';
import type { Identity } from '../../simulator/agent/identity.js';
import { readIdentities, writeIdentities } from '../../simulator/fleet/identity-file.js';
import type { FleetRequest, FleetReply } from './fleet-process.js';

/** The fleet of a bench in a process of its own, so that agents do not share a thread with the measuring client. */

type Start = Extract<FleetRequest, { t: 'fleet' | 'enrol' | 'bare' }>;

let fleet: Fleet | undefined;

async function start(request: Start): Promise<number> {
  if (request.t === 'bare') {
    const { answerHex, ...options } = request;
    const bare = new BareFleet({ ...options, answer: Buffer.from(answerHex, 'hex') });
    await bare.start();
    return request.agents;
  }
  const { options, keysFile } = request;
  const { org, seed = 1, firstIndex: part } = options;
  fleet = new Fleet({ ...options, identities: ofRange(readIdentities(keysFile, org, seed), options) });
  if (request.t === 'enrol') {
    const identities = await fleet.enrolAll();
    writeIdentities(keysFile, { org, seed, part }, identities);
    return identities.size;
  }
  await fleet.start();
  writeIdentities(keysFile, { org, seed, part }, fleet.identities());
  return fleet.count('ready');
}

/** Those of the other processes of a fleet would only take room. */
function ofRange(identities: Map<number, Identity>, { firstIndex = 0, agents }: FleetOptions): Map<number, Identity> {
  return new Map([...identities].filter(([index]) => index >= firstIndex && index < firstIndex + agents));
}

function reply(message: FleetReply): void {
  process.send?.(message);
}

process.on('message', (request: FleetRequest) => {
  switch (request.t) {
    case 'oracle':
      return reply({ t: 'oracle', runs: fleet?.oracle.all ?? [] });
    case 'presence':
      return reply({ t: 'presence', intervals: fleet?.presence.all ?? [] });
    case 'cuts':
      return reply({ t: 'cuts', cuts: fleet?.stats.cuts ?? [] });
    case 'connected':
      return reply({ t: 'connected', count: fleet?.presence.count ?? 0 });
    case 'leave':
      return reply({ t: 'leave', count: fleet?.leave(request.share) ?? 0 });
    default:
  }
  start(request).then(
    (ready) => reply({ t: 'ready', ready }),
    (error: unknown) => reply({ t: 'failed', message: error instanceof Error ? error.message : String(error) }),
  );
});
process.once('disconnect', () => process.exit(0));
