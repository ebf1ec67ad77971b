import type { GatewayId, CoordinatorId } from '@muster/protocol';
import { SUBJECT_ROOT as ROOT, subjectToken as part } from '@muster/records';

/** Every subject of live messages, built here and nowhere else. Those of streams are in `@muster/records`. */
export const SUBJECTS = {
  /** Owner → all gateways: {@link QueryStart}, {@link QueryStop}. */
  gateways: `${ROOT}.gateways`,
  /** Anyone → one gateway, request and reply. */
  gateway: (id: GatewayId) => `${ROOT}.gateway.${part(id)}`,
  /** Gateway → the one that holds a poll session, request and reply: {@link PollRequest}. It goes on under an id that the holder had before. */
  gatewayPolls: (id: GatewayId) => `${ROOT}.gateway.${part(id)}.polls`,
  /** Gateway → everyone, every few seconds: {@link GatewayHeartbeat}. */
  gatewayHeartbeats: `${ROOT}.beat.gateway`,
  /** Gateway → owner of a query: {@link GatewayUpdate}. */
  coordinatorInbox: (id: CoordinatorId) => `${ROOT}.owner.${part(id)}.in`,
  /** API → owner of a query, request and reply. */
  owner: (id: CoordinatorId) => `${ROOT}.owner.${part(id)}.rpc`,
  /** Owner → everyone, every second: {@link CoordinatorHeartbeat}. */
  coordinatorHeartbeats: `${ROOT}.beat.owner`,
  /** API → any query service (queue group `query`), request and reply. */
  queries: `${ROOT}.queries`,
  /** API → any command service (queue group `command`), request and reply. */
  commands: `${ROOT}.commands`,
  /** Gateway → any one command service (queue group `command`): {@link CommandReports}. */
  commandReports: `${ROOT}.command.reports`,
  /** Gateway → all command services: {@link AgentsConnected}, {@link AgentsNotHeld}. */
  commandPresence: `${ROOT}.command.presence`,
  /** Command service → one gateway: {@link DeliverCommand}, {@link CancelDelivery}, {@link ReportsKept}. */
  gatewayCommands: (id: GatewayId) => `${ROOT}.gateway.${part(id)}.commands`,
  /** The same, to all of them. */
  allGatewayCommands: `${ROOT}.gateways.commands`,
  /** Command service → everyone, every second: {@link CommandServiceHeartbeat}. */
  commandHeartbeats: `${ROOT}.beat.command`,
} as const;
