import type { Bus } from '@muster/bus';
import type { DirectoryWriter } from '@muster/directory';
import type { AgentTokenIssuer } from '@muster/identity';
import type { GatewayReply, GatewayRequest } from '@muster/messages';
import { LIMITS } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import type { Clock, Logger } from '@muster/runtime';
import type { Doorkeeper } from '../admission/doorkeeper.js';
import type { RefusalTrail } from '../admission/refusal-trail.js';
import type { Overlays } from '../admission/overlays.js';
import { ClaimQueue } from '../claims/claim-queue.js';
import { LeaseKeeper } from '../claims/lease-keeper.js';
import { CommandDesk } from '../commands/command-desk.js';
import type { GatewayConfig } from '../config.js';
import type { GatewayMetrics } from '../metrics.js';
import { makeModes, type Modes } from '../modes/make-modes.js';
import { PollDesk } from '../poll/poll-desk.js';
import { PollRelay } from '../poll/poll-relay.js';
import type { SessionNames } from '../poll/session-names.js';
import { QueryDesk } from '../queries/query-desk.js';
import type { GatewayTraffic } from '../traffic/gateway-traffic.js';
import { FrontDesk } from './front-desk.js';
import type { Hub } from './hub.js';
import { reassertSessions } from './reassertion.js';
import { Rotation } from './rotation.js';

export interface SessionParts {
  readonly bus: Bus;
  readonly registry: Registry;
  readonly directory: DirectoryWriter;
  readonly issuer: AgentTokenIssuer;
  readonly overlays: Overlays;
  readonly audit: RefusalTrail;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly draining: () => boolean;
  readonly traffic: Pick<GatewayTraffic, 'report' | 'frames'>;
  readonly doorkeeper: Doorkeeper;
  readonly names: SessionNames;
}

/** What holds sessions: parts that know each other in circles (a lease that is lost closes sessions, a session is claimed under the lease). */
export interface Sessions {
  readonly hub: Hub;
  readonly lease: LeaseKeeper;
  readonly queries: QueryDesk;
  readonly commands: CommandDesk;
  readonly modes: Modes;
  readonly frontDesk: FrontDesk;
  readonly claims: ClaimQueue;
  readonly rotation: Rotation;
  readonly polls: PollDesk;
}

export function makeSessions(config: GatewayConfig, hub: Hub, parts: SessionParts): Sessions {
  const { registry, clock, logger } = parts;
  const gatewayId = () => lease.id;
  const lease: LeaseKeeper = new LeaseKeeper({
    ...parts,
    leaseMs: config.leaseMs,
    sessions: () => hub.size,
    listener: {
      fenced: () => {
        queries.fence();
        commands.fence();
        frontDesk.endAll('fenced');
      },
      renamed: () => {
        queries.fence();
        commands.renamed();
      },
      reassert: () => reassertSessions({ registry, hub, frontDesk, gatewayId: lease.id }),
      request: (request) => answerRequest(request, { hub, frontDesk, polls, traffic: parts.traffic }),
    },
  });
  const queries = new QueryDesk({
    ...parts,
    hub,
    gatewayId,
    creditBytes: config.answerMemoryBytes,
  });
  const commands = new CommandDesk({ ...parts, hub, gatewayId, checkLease: () => lease.check() });
  const modes = makeModes(config, { ...parts, hub });
  const frontDesk: FrontDesk = new FrontDesk({
    ...parts,
    hub,
    queries,
    commands,
    modes: modes.desk,
    away: modes.away,
    gatewayId,
    heartbeatMs: heartbeatOf(config),
    claims: () => claims,
    oweReassert: () => lease.oweReassert(),
    checkLease: () => lease.check(),
    rotateAt: () => rotation.rotateAt(),
  });
  const claims = new ClaimQueue({ registry, gatewayId, listener: frontDesk, clock, logger });
  const rotation = new Rotation({ hub, frontDesk, clock, maxAgeMs: config.sessionMaxAgeMs });
  const polls: PollDesk = new PollDesk({
    ...parts,
    frontDesk,
    gatewayId,
    relay: new PollRelay(parts),
    checkLease: () => lease.check(),
    traffic: parts.traffic.frames,
  });
  return { hub, lease, queries, commands, modes, frontDesk, claims, rotation, polls };
}

/** As usual, and sooner where silence is suffered for a shorter time. */
function heartbeatOf({ sessionSilenceMs }: GatewayConfig): number {
  return Math.min(LIMITS.heartbeatMs, Math.round((sessionSilenceMs * LIMITS.heartbeatMs) / LIMITS.sessionSilenceMs));
}

function answerRequest(
  request: GatewayRequest,
  { hub, frontDesk, polls, traffic }: Pick<Sessions, 'hub' | 'frontDesk' | 'polls'> & Pick<SessionParts, 'traffic'>,
): GatewayReply | Promise<GatewayReply> {
  switch (request.t) {
    case 'ping':
      return { t: 'ok' };
    case 'superseded':
      frontDesk.superseded(request.agentId, request.epoch);
      return { t: 'ok' };
    case 'poll':
      return polls.relayed(request).then((reply) => ({ t: 'polled', ...reply }));
    case 'traffic':
      return traffic.report();
    case 'holds':
      return { t: 'holds', alive: hub.get(request.agentId)?.epoch === request.epoch };
  }
}
