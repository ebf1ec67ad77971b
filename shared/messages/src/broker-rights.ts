import { BROKER_SUBJECTS, RESERVE_STREAM, STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { SUBJECTS } from './subjects.js';

/**
 * The users of NATS: one for each kind of service, one for the program that makes the streams and restores them, one
 * for the program that backs them up.
 */
export type BrokerUser = 'gateway' | 'query' | 'command' | 'telemetry' | 'posture' | 'api' | 'setup' | 'backup';

/** What one user may do at NATS, and nothing else. */
export interface BrokerRights {
  /** Messages and requests. */
  readonly publishes: readonly string[];
  readonly subscribes: readonly string[];
  /** Whose requests it answers. It may write to their inboxes, whose names are random, and to no other reply subject. */
  readonly answers: readonly BrokerUser[];
  /** Records that it adds to streams. */
  readonly appends: readonly string[];
  /** Streams that it reads. Who also makes consumers may read them from anywhere to anywhere. */
  readonly streams: readonly string[];
  /** Streams of which it takes single records away. */
  readonly removes: readonly string[];
  /**
   * `consumers`: of its own streams, and of those that gateways ask for, and it pulls them. `streams`: it makes and
   * changes them. Each of these is the right to have JetStream write to any subject, so gateways have none of them.
   * `snapshots`: it reads its streams whole, to an inbox of its own or to any other subject.
   */
  readonly makes?: 'consumers' | 'streams' | 'snapshots';
}

const ID = 'ID';
/** The subject with a wildcard in the place of each id: the functions take no star, so that no name from outside can be one. */
const any = (build: (...ids: never[]) => string): string =>
  build(...(Array<string>(build.length).fill(ID) as never[]))
    .split('.')
    .map((token) => (token === ID ? '*' : token))
    .join('.');
const anyPartition = (build: (partition: number) => string): string => build(0).replace(/\.0$/, '.*');
/** The same of a subject that ends with a number. */
const anyPart = (build: (one: never, two: never, three: never, part: number) => string): string =>
  build(ID as never, ID as never, ID as never, 0)
    .split('.')
    .map((token) => (token === ID || token === '0' ? '*' : token))
    .join('.');
const names = (...streams: readonly (keyof typeof STREAMS)[]): string[] => streams.map((key) => STREAMS[key].name);

const { storageShort, readers, readerPulls, reserve } = BROKER_SUBJECTS;

/** Who may do what. The integration tests run under these rights; `test/integration/broker-rights.test.ts` tries the others. */
export const BROKER_RIGHTS: Readonly<Record<BrokerUser, BrokerRights>> = {
  gateway: {
    publishes: [
      ...[
        any(SUBJECTS.gateway),
        any(SUBJECTS.gatewayPolls),
        SUBJECTS.gatewayHeartbeats,
        any(SUBJECTS.coordinatorInbox),
        any(SUBJECTS.coordinatorHunts),
      ],
      ...[SUBJECTS.commandReports, any(SUBJECTS.commandServiceReports), SUBJECTS.commandPresence],
      ...[anyPartition(SUBJECTS.samples), any(SUBJECTS.watch), SUBJECTS.packs],
      ...[readers, readerPulls],
    ],
    subscribes: [
      ...[any(SUBJECTS.gateway), any(SUBJECTS.gatewayPolls), any(SUBJECTS.gatewayCommands)],
      ...[SUBJECTS.gateways, SUBJECTS.allGatewayCommands, SUBJECTS.allGatewayMetrics],
      ...[SUBJECTS.coordinatorHeartbeats, SUBJECTS.commandHeartbeats],
    ],
    answers: ['gateway', 'query', 'api'],
    // Not `revoked`, `mode` and `labels`: those are operators' decisions.
    appends: [
      ...[any(STREAM_SUBJECTS.enrolled), any(STREAM_SUBJECTS.facts)],
      ...[any(STREAM_SUBJECTS.duplicate), any(STREAM_SUBJECTS.fallback), any(STREAM_SUBJECTS.firstSession)],
      any(STREAM_SUBJECTS.audit),
    ],
    streams: names('identities', 'audit'),
    removes: [],
  },
  query: {
    publishes: [SUBJECTS.gateways, any(SUBJECTS.gateway), any(SUBJECTS.coordinator), SUBJECTS.coordinatorHeartbeats],
    subscribes: [
      ...[any(SUBJECTS.coordinatorInbox), any(SUBJECTS.coordinator), SUBJECTS.queries, any(SUBJECTS.queryService)],
      any(SUBJECTS.coordinatorHunts),
      ...[SUBJECTS.reduceStops, SUBJECTS.gatewayHeartbeats, SUBJECTS.coordinatorHeartbeats],
      ...[SUBJECTS.commandHeartbeats, readers, readerPulls],
    ],
    answers: ['query', 'api', 'gateway', 'posture'],
    appends: [any(STREAM_SUBJECTS.query), any(STREAM_SUBJECTS.result)],
    streams: names('identities', 'queries', 'results'),
    removes: [],
    makes: 'consumers',
  },
  command: {
    publishes: [any(SUBJECTS.gatewayCommands), SUBJECTS.allGatewayCommands, SUBJECTS.commandHeartbeats],
    subscribes: [
      ...[
        SUBJECTS.commands,
        any(SUBJECTS.commandService),
        SUBJECTS.commandReports,
        any(SUBJECTS.commandServiceReports),
      ],
      ...[SUBJECTS.commandPresence, SUBJECTS.commandHeartbeats, SUBJECTS.gatewayHeartbeats, readers, readerPulls],
      // What their clocks say.
      ...[SUBJECTS.coordinatorHeartbeats, SUBJECTS.postureHeartbeats],
    ],
    answers: ['api', 'gateway'],
    appends: [any(STREAM_SUBJECTS.command), any(STREAM_SUBJECTS.audit)],
    streams: names('identities', 'commands', 'audit'),
    removes: [],
    makes: 'consumers',
  },
  telemetry: {
    publishes: [SUBJECTS.allGatewayMetrics, SUBJECTS.telemetryHeartbeats],
    subscribes: [
      ...[anyPartition(SUBJECTS.samples), anyPartition(SUBJECTS.latestMetrics), any(SUBJECTS.telemetryService)],
      ...[SUBJECTS.telemetryHeartbeats, readers, readerPulls],
    ],
    answers: ['api', 'gateway'],
    appends: [any(STREAM_SUBJECTS.health)],
    streams: names('identities', 'health'),
    removes: names('health'),
    makes: 'consumers',
  },
  posture: {
    publishes: [SUBJECTS.queries, any(SUBJECTS.queryService), SUBJECTS.postureHeartbeats],
    subscribes: [
      ...[SUBJECTS.posture, any(SUBJECTS.postureService), SUBJECTS.packs],
      ...[SUBJECTS.postureHeartbeats, SUBJECTS.coordinatorHeartbeats, readers, readerPulls],
    ],
    answers: ['api', 'gateway'],
    appends: [
      ...[any(STREAM_SUBJECTS.pack), any(STREAM_SUBJECTS.scan), any(STREAM_SUBJECTS.feed)],
      ...[any(STREAM_SUBJECTS.schedule), any(STREAM_SUBJECTS.exception)],
      ...[any(STREAM_SUBJECTS.feedUpload), anyPart(STREAM_SUBJECTS.feedPart)],
      ...[any(STREAM_SUBJECTS.vulnerabilityScan), anyPart(STREAM_SUBJECTS.findingBlock)],
    ],
    streams: names(
      ...([
        'identities',
        'queries',
        'results',
        'packs',
        'scans',
        'posture',
        'feeds',
        'feedParts',
        'vulnerabilities',
      ] as const),
    ),
    removes: names('feedParts', 'vulnerabilities'),
    makes: 'consumers',
  },
  api: {
    publishes: [
      ...[SUBJECTS.queries, any(SUBJECTS.queryService), any(SUBJECTS.coordinator), SUBJECTS.reduceStops],
      ...[SUBJECTS.commands, any(SUBJECTS.commandService), any(SUBJECTS.apiCalls)],
      ...[SUBJECTS.gateways, any(SUBJECTS.gateway), SUBJECTS.allGatewayMetrics],
      ...[anyPartition(SUBJECTS.latestMetrics), any(SUBJECTS.telemetryService)],
      ...[SUBJECTS.posture, any(SUBJECTS.postureService)],
    ],
    subscribes: [
      ...[any(SUBJECTS.apiCalls), any(SUBJECTS.watch), SUBJECTS.gatewayHeartbeats, SUBJECTS.coordinatorHeartbeats],
      ...[SUBJECTS.commandHeartbeats, SUBJECTS.telemetryHeartbeats, SUBJECTS.postureHeartbeats],
      ...[readers, readerPulls],
    ],
    answers: ['api', 'gateway'],
    appends: [
      ...[any(STREAM_SUBJECTS.enrolled), any(STREAM_SUBJECTS.labels), any(STREAM_SUBJECTS.revoked)],
      ...[any(STREAM_SUBJECTS.mode), any(STREAM_SUBJECTS.operatorToken), any(STREAM_SUBJECTS.audit)],
      ...[any(STREAM_SUBJECTS.query), any(STREAM_SUBJECTS.result), any(STREAM_SUBJECTS.idempotency)],
      ...[any(STREAM_SUBJECTS.webhook), STREAM_SUBJECTS.webhookLease, any(STREAM_SUBJECTS.webhookPosition)],
      ...[any(STREAM_SUBJECTS.webhookDelivery), any(STREAM_SUBJECTS.session), any(STREAM_SUBJECTS.question)],
    ],
    streams: names(
      ...([
        'identities',
        'queries',
        'results',
        'commands',
        'audit',
        'operatorTokens',
        'idempotency',
        'health',
      ] as const),
      ...(['webhooks', 'webhookDeliveries', 'sessions', 'questions', 'scans'] as const),
    ),
    removes: names('identities', 'questions', 'results'),
    makes: 'consumers',
  },
  // It reads no entry: what it makes is empty or a snapshot, and what it changes stays.
  setup: {
    ...{ publishes: [], subscribes: [], answers: [], appends: [], removes: [] },
    streams: Object.values(STREAMS).map(({ name }) => name),
    makes: 'streams',
  },
  // It changes nothing.
  backup: {
    ...{ publishes: [], subscribes: [], answers: [], appends: [], removes: [] },
    streams: Object.values(STREAMS).map(({ name }) => name),
    makes: 'snapshots',
  },
};

/** Permissions as nats-server has them. */
export interface BrokerPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * The subjects of one user, those of JetStream's own requests among them. `toolsToo`: it may answer `tools` as well,
 * the user without limits of a local stack. There is no `allow_responses`: with it whoever sends a request to himself
 * may publish on any subject.
 */
export function brokerPermissions(user: BrokerUser, toolsToo = false): BrokerPermissions {
  const { publishes, subscribes, answers, appends, streams, makes } = BROKER_RIGHTS[user];
  const asking = [...answers, ...(toolsToo ? ['tools'] : [])];
  return {
    publish: [
      ...[...publishes, ...appends, ...jetStreamRequests(BROKER_RIGHTS[user])],
      ...[storageShort, reserve, ...asking.map((asker) => `_INBOX.${asker}.>`)],
      ...(makes === 'snapshots' ? streams.map((name) => `$JS.SNAPSHOT.ACK.${name}.*`) : []),
      ...(makes === 'streams' ? streams.map((name) => `$JS.SNAPSHOT.RESTORE.${name}.*`) : []),
    ],
    subscribe: [...subscribes, storageShort, `_INBOX.${user}.>`],
  };
}

function jetStreamRequests({ streams, removes, makes }: BrokerRights): string[] {
  const pulled = makes === 'consumers' ? [...new Set([...streams, ...BROKER_RIGHTS.gateway.streams])] : [];
  const isService = makes !== 'streams' && makes !== 'snapshots';
  const read = isService ? streams : [];
  const made = makes === 'streams' ? [...streams, RESERVE_STREAM] : [];
  const taken = makes === 'snapshots' ? streams : [];
  const restored = makes === 'streams' ? streams : [];
  const requests = [
    ...['INFO', 'STREAM.LIST', 'STREAM.NAMES', `STREAM.INFO.${RESERVE_STREAM}`, `STREAM.PURGE.${RESERVE_STREAM}`],
    ...streams.map((name) => `STREAM.INFO.${name}`),
    ...read.flatMap((name) => [`STREAM.MSG.GET.${name}`, `CONSUMER.INFO.${name}.*`, `CONSUMER.DELETE.${name}.*`]),
    ...removes.map((name) => `STREAM.MSG.DELETE.${name}`),
    ...pulled.flatMap((name) => [`CONSUMER.CREATE.${name}`, `CONSUMER.MSG.NEXT.${name}.*`]),
    ...made.flatMap((name) => [`STREAM.CREATE.${name}`, `STREAM.UPDATE.${name}`]),
    ...taken.map((name) => `STREAM.SNAPSHOT.${name}`),
    ...restored.flatMap((name) => [`STREAM.RESTORE.${name}`, `STREAM.DELETE.${name}`]),
  ];
  return requests.map((request) => `$JS.API.${request}`);
}

export interface BrokerPasswords {
  readonly users: Readonly<Record<BrokerUser, string>>;
  /** A user who may do everything, for tests and tools. */
  readonly tools?: { readonly user: string; readonly password: string };
}

/** The `authorization` block of nats-server's configuration. */
export function natsAuthorization({ users, tools }: BrokerPasswords): string {
  const services = (Object.keys(BROKER_RIGHTS) as BrokerUser[]).map((user) => {
    const { publish, subscribe } = brokerPermissions(user, tools !== undefined);
    const permissions = { publish: { allow: publish }, subscribe: { allow: subscribe } };
    return { user, password: users[user], permissions };
  });
  const all = [...(tools === undefined ? [] : [tools]), ...services];
  // JSON is one of the forms of that configuration.
  return `authorization: ${JSON.stringify({ users: all }, null, 2)}\n`;
}
