import type { Bus } from '@muster/bus';
import type { DirectoryWriter } from '@muster/directory';
import type { AgentTokenIssuer } from '@muster/identity';
import type { GatewayReply, GatewayRequest } from '@muster/messages';
import { LIMITS } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import type { Clock, Logger } from '@muster/runtime';
import type { AdmissionControl } from './admission/admission-control.js';
import type { DenialAuditor } from './admission/denial-auditor.js';
import type { OperatorOverrides } from '../foundation/operator-overrides.js';
import { RegistrationQueue } from './registration/registration-queue.js';
import { LeaseRenewer } from './registration/lease-renewer.js';
import { CommandHandler } from '../capabilities/commands/command-handler.js';
import type { GatewayConfig } from '../config.js';
import type { GatewayMetrics } from '../metrics.js';
import { makeModes, type Modes } from '../capabilities/modes/make-modes.js';
import { PollHandler } from '../edge/poll/poll-handler.js';
import { PollRelay } from '../edge/poll/poll-relay.js';
import type { SessionNames } from '../edge/poll/session-names.js';
import { QueryHandler } from '../capabilities/queries/query-handler.js';
import type { GatewayTraffic } from '../traffic/gateway-traffic.js';
import { SessionManager } from './session-manager.js';
import type { Hub } from './hub/hub.js';
import { reassertSessions } from './registration/resync.js';
import { MaxConnectionAge } from './max-connection-age.js';

export interface SessionParts {
  readonly bus: Bus;
  readonly registry: Registry;
  readonly directory: DirectoryWriter;
  readonly issuer: AgentTokenIssuer;
  readonly overrides: OperatorOverrides;
  readonly audit: DenialAuditor;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly draining: () => boolean;
  readonly traffic: Pick<GatewayTraffic, 'report' | 'frames'>;
  readonly admission: AdmissionControl;
  readonly names: SessionNames;
}

/** What holds sessions: parts that know each other in circles (a lease that is lost closes sessions, a session is claimed under the lease). */
export interface Sessions {
  readonly hub: Hub;
  readonly lease: LeaseRenewer;
  readonly queries: QueryHandler;
  readonly commands: CommandHandler;
  readonly modes: Modes;
  readonly frontDesk: SessionManager;
  readonly claims: RegistrationQueue;
  readonly rotation: MaxConnectionAge;
  readonly polls: PollHandler;
}

export function makeSessions(config: GatewayConfig, hub: Hub, parts: SessionParts): Sessions {
  const { registry, clock, logger } = parts;
  const gatewayId = () => lease.id;
  const lease: LeaseRenewer = new LeaseRenewer({
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
  const queries = new QueryHandler({
    ...parts,
    hub,
    gatewayId,
    creditBytes: config.answerMemoryBytes,
  });
  const commands = new CommandHandler({ ...parts, hub, gatewayId, checkLease: () => lease.check() });
  const modes = makeModes(config, { ...parts, hub });
  const frontDesk: SessionManager = new SessionManager({
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
  const claims = new RegistrationQueue({ registry, gatewayId, listener: frontDesk, clock, logger });
  const rotation = new MaxConnectionAge({ hub, frontDesk, clock, maxAgeMs: config.sessionMaxAgeMs });
  const polls: PollHandler = new PollHandler({
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
