import type {
  AgentId,
  CommandServiceId,
  CoordinatorId,
  GatewayId,
  PostureServiceId,
  TelemetryServiceId,
} from '@muster/protocol';
import { SUBJECT_ROOT as ROOT, subjectToken as token } from '@muster/records';

/** All subjects of live messages. They are built here and nowhere else; stream subjects are in `@muster/records`. */
export const SUBJECTS = {
  /** Coordinator → all gateways: {@link QueryStart}, {@link HuntStart}, {@link QueryStop}. */
  gateways: `${ROOT}.gateways`,
  /** Anyone → one gateway, request and reply. */
  gateway: (id: GatewayId) => `${ROOT}.gateway.${token(id)}`,
  /**
   * Gateway → the one that holds a poll session, request and reply: {@link PollRequest}. A gateway that got a new id keeps listening
   * under the old one.
   */
  gatewayPolls: (id: GatewayId) => `${ROOT}.gateway.${token(id)}.polls`,
  /** Gateway → everyone, every few seconds: {@link GatewayHeartbeat}. */
  gatewayHeartbeats: `${ROOT}.beat.gateway`,
  /** Gateway → coordinator of a query: {@link GatewayUpdate}. */
  coordinatorInbox: (id: CoordinatorId) => `${ROOT}.owner.${token(id)}.in`,
  /** API → coordinator of a query, request and reply. */
  coordinator: (id: CoordinatorId) => `${ROOT}.owner.${token(id)}.rpc`,
  /** Gateway → coordinator of a hunt, request and reply: {@link HuntTermsRequest}. */
  coordinatorHunts: (id: CoordinatorId) => `${ROOT}.owner.${token(id)}.hunts`,
  /** Coordinator → everyone, every second: {@link CoordinatorHeartbeat}. */
  coordinatorHeartbeats: `${ROOT}.beat.owner`,
  /** API → one API process, request and reply: {@link CallStatusRequest}. */
  apiCalls: (id: string) => `${ROOT}.api.${token(id)}.calls`,
  /** API → any query service (queue group `query`), request and reply. */
  queries: `${ROOT}.queries`,
  /** API → one query service, chosen by its heartbeats: the same requests. */
  queryService: (id: CoordinatorId) => `${ROOT}.queries.service.${token(id)}`,
  /** API → all query services: {@link ReduceStop}. */
  reduceStops: `${ROOT}.queries.reduce-stop`,
  /** API → any command service (queue group `command`), request and reply. */
  commands: `${ROOT}.commands`,
  /** API → one command service, chosen by its heartbeats: the same requests. */
  commandService: (id: CommandServiceId) => `${ROOT}.commands.service.${token(id)}`,
  /** Gateway → any one command service (queue group `command`): {@link CommandReports}. */
  commandReports: `${ROOT}.command.reports`,
  /** Gateway → one command service, chosen by its heartbeats: the same reports. */
  commandServiceReports: (id: CommandServiceId) => `${ROOT}.command.reports.${token(id)}`,
  /** Gateway → all command services: {@link AgentsConnected}, {@link AgentsNotHeld}. */
  commandPresence: `${ROOT}.command.presence`,
  /** Command service → one gateway: {@link DeliverCommand}, {@link CancelDelivery}, {@link ReportsKept}. */
  gatewayCommands: (id: GatewayId) => `${ROOT}.gateway.${token(id)}.commands`,
  /** The same, to all of them. */
  allGatewayCommands: `${ROOT}.gateways.commands`,
  /** Command service → everyone, every second: {@link CommandServiceHeartbeat}. */
  commandHeartbeats: `${ROOT}.beat.command`,
  /** Gateway → the telemetry service that owns a partition: {@link SampleBatch}, {@link SessionsEnded}. */
  samples: (partition: number) => `${ROOT}.metrics.samples.${partition}`,
  /** Telemetry services and API → all gateways: {@link KeyframesWanted}, {@link WatchRenewal}. */
  allGatewayMetrics: `${ROOT}.gateways.metrics`,
  /** Gateway → viewers of one endpoint: {@link WatchFrames}, {@link WatchHistory}, {@link WatchEnded}. */
  watch: (id: AgentId) => `${ROOT}.metrics.watch.${token(id)}`,
  /** API → the telemetry service that owns a partition, request and reply: the latest sample of an endpoint. */
  latestMetrics: (partition: number) => `${ROOT}.metrics.latest.${partition}`,
  /** API → one telemetry service, request and reply: what it knows of all its endpoints. */
  telemetryService: (id: TelemetryServiceId) => `${ROOT}.metrics.service.${token(id)}`,
  /** Telemetry service → everyone, every second: {@link TelemetryHeartbeat}. */
  telemetryHeartbeats: `${ROOT}.beat.telemetry`,
  /** API → any posture service (queue group `posture`), request and reply. */
  posture: `${ROOT}.posture`,
  /** API → one posture service, chosen by its heartbeats: the same requests. */
  postureService: (id: PostureServiceId) => `${ROOT}.posture.service.${token(id)}`,
  /** Gateway → any posture service (queue group `posture`), request and reply: {@link PackChecksRequest}. */
  packs: `${ROOT}.packs`,
  /** Posture service → everyone, every second: {@link PostureHeartbeat}. */
  postureHeartbeats: `${ROOT}.beat.posture`,
} as const;
