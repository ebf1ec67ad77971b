import type { GatewayId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import type { SessionManager } from '../session-manager.js';
import type { Hub } from '../hub/hub.js';
import type { Session } from '../hub/session.js';

const BATCH = 1_000;

/**
 * Says again to the registry what this gateway holds, after the registry lost it or the gateway took a new id. A session that exists newer
 * elsewhere is closed as superseded. Resolves to false when the registry went away meanwhile.
 */
export async function reassertSessions(options: {
  readonly registry: Registry;
  readonly hub: Hub;
  readonly frontDesk: SessionManager;
  readonly gatewayId: GatewayId;
}): Promise<boolean> {
  const { registry, hub, frontDesk, gatewayId } = options;
  const sessions = [...hub.sessions()];
  let complete = true;
  for (let at = 0; at < sessions.length; at += BATCH) {
    const batch = sessions.slice(at, at + BATCH).filter(({ state }) => state === 'ready');
    const results = await registry.resync(gatewayId, batch.map(itemOf));
    batch.forEach((session, i) => {
      const result = results[i];
      if (result?.kind === 'lost') frontDesk.end(session, 'superseded');
      else if (result?.kind === 'kept') session.claimed = true;
      else complete = false;
    });
  }
  return complete;
}

function itemOf({ org, agentId, num, instance, mode, connectedAtMs, epoch }: Session) {
  return { org, agentId, num, instance, mode, connectedAtMs, epoch };
}
