import type { Registry } from '@muster/registry';
import type { GatewayIdentity } from '../../foundation/gateway-identity.js';
import type { Hub } from '../hub/hub.js';
import type { Session } from '../hub/session.js';

const BATCH = 1_000;

/**
 * Registers again what this gateway holds, with the epochs that it has: after the registry lost it, or after the gateway took a new id.
 * Calls `superseded` for sessions of which a newer one exists elsewhere. Resolves to false when the registry went away meanwhile.
 */
export async function resyncSessions(options: {
  readonly registry: Registry;
  readonly hub: Hub;
  readonly identity: GatewayIdentity;
  readonly superseded: (session: Session) => void;
}): Promise<boolean> {
  const { registry, hub, identity, superseded } = options;
  const gatewayId = identity.id;
  const sessions = [...hub.sessions()];
  let complete = true;
  for (let at = 0; at < sessions.length; at += BATCH) {
    const batch = sessions.slice(at, at + BATCH).filter(({ state }) => state === 'ready');
    const results = await registry.resync(gatewayId, batch.map(itemOf));
    batch.forEach((session, i) => {
      const result = results[i];
      if (result?.kind === 'lost') superseded(session);
      else if (result?.kind === 'kept') session.confirmed = true;
      else complete = false;
    });
  }
  return complete;
}

function itemOf({ org, agentId, num, instance, mode, connectedAtMs, epoch }: Session) {
  return { org, agentId, num, instance, mode, connectedAtMs, epoch };
}
