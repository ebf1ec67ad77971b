import type { BusMessage } from '@muster/bus';
import { METRICS_PARTITIONS } from '@muster/host-metrics';
import {
  decodeBusMessage,
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayRequest,
  type TelemetryRequest,
  type TrafficCounters,
} from '@muster/messages';
import { encodeCbor, newGatewayId, newTelemetryServiceId, type CommandId, type OrgId } from '@muster/protocol';
import { AnswerBlockWriter, type OperatorTokenRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import type { QueryStore } from '../queries/query-store.js';
import { ApiFixture, ORG } from './api-fixture.js';
import { StreamReader } from './stream-reader.js';

/** Objects by the path segment under which they are found: `/v1/queries/{id}`. */
export type Objects = Readonly<
  Record<
    | 'agents'
    | 'queries'
    | 'commands'
    | 'tokens'
    | 'webhooks'
    | 'sessions'
    | 'stream'
    | 'questions'
    | 'scans'
    | 'schedules'
    | 'exceptions'
    | 'vulnerability-scans'
    | 'vulnerabilities',
    string
  >
> & {
  readonly pendingCommand: string;
  readonly agentIds: readonly string[];
};

/** The caller whose view is compared, and what is theirs. */
export interface World {
  readonly api: ApiFixture;
  readonly token: string;
  readonly own: Objects;
  /** What is none of theirs, in a crowded world. */
  readonly foreign: Objects | undefined;
}

export interface WorldOptions {
  readonly caller: Pick<OperatorTokenRecord, 'role'> & Partial<OperatorTokenRecord>;
  /** Whose things crowd the world: those of another org, or those of the same org that the caller's selector does not reach. */
  readonly crowd?: OrgId;
}

/**
 * A deployment with a caller and what is theirs; in a crowded one there are also things that are none of theirs, made afterwards, so that
 * numbers and sequences of the caller's things are equal in both.
 */
export async function makeWorld({ caller, crowd }: WorldOptions): Promise<World> {
  const api = await ApiFixture.start({ platformOrg: 'platform' as OrgId });
  api.service.endsAtOnce = true;
  gateway(api, 1);
  await telemetryService(api);
  const { token } = await api.token({ name: 'caller', ...caller });
  const own = await makeObjects(api, { org: ORG, token, site: 'one', at: 1 });
  if (crowd === undefined) return { api, token, own, foreign: undefined };
  gateway(api, 1_000_000);
  const { token: other } = await api.token({ name: 'other', role: 'admin', org: crowd });
  const foreign = await makeObjects(api, { org: crowd, token: other, site: 'two', at: 4 });
  // Callers that nobody knows: whose are their refusals?
  await api.get('/v1/queries', { token: 'mst_nobody' });
  await eventually(async () => (await api.audit()).some(({ actor }) => actor === 'unknown'));
  return { api, token, own, foreign };
}

interface Maker {
  readonly org: OrgId;
  readonly token: string;
  readonly site: string;
  /** The number of the first agent. */
  readonly at: number;
}

async function makeObjects(api: ApiFixture, { org, token, site, at }: Maker): Promise<Objects> {
  const agentIds: string[] = [];
  for (const mode of ['live', 'poll', undefined] as const) {
    const made = { org, labels: { site }, facts: { host: `${site}-${agentIds.length}` }, ...(mode ? { mode } : {}) };
    const { agentId } = await api.agent(made);
    await eventually(async () => (await api.get(`/v1/agents/${agentId}`, { token })).status === 200);
    agentIds.push(agentId);
  }
  const nums = [at, at + 1, at + 2];
  const operator = { id: (await api.get('/v1/me', { token })).body.id as string, name: site, role: 'admin' } as const;
  const command = await api.commands.make({ org, operator, target: `site=${site}` }, nums);
  await api.commands.settle(command, 'succeeded', [1], { message: `done at ${site}` });
  await api.commands.settle(command, 'expired', [2, 3]);
  const approval = { why: 'the policy says so', role: 'responder' } as const;
  const pending = await api.commands.make({ org, operator, approval, target: `site=${site}` }, nums);
  const made = await api.ask('POST', '/v1/tokens', { token, body: { name: `made at ${site}`, role: 'viewer' } });
  const hook = { url: 'https://hooks.example/made', events: ['agent.revoked'] };
  const webhook = await api.ask('POST', '/v1/webhooks', { token, body: hook });
  const session = await api.ask('POST', '/v1/session', { token: null, body: { token } });
  const stream = await StreamReader.open(api.url, { authorization: `Bearer ${token}` }, []);
  // The library of questions is the whole org's: whom a selector bounds sees those of the rest of their org.
  const questions = `made-at-${site}`;
  const isMade = org !== ORG || site === 'one';
  if (isMade)
    await api.ask('PUT', `/v1/questions/${questions}`, { token, body: { version: 0, sql: `SELECT '${site}'` } });
  const exception = { pack: 'baseline', check: 'one', owner: site, reason: 'known', until: '2999-01-01T00:00:00Z' };
  const post = async (kind: string, body: object): Promise<string> =>
    (await api.ask('POST', `/v1/${kind}`, { token, body })).body.id as string;
  return {
    stream: stream.id,
    sessions: session.body.id as string,
    questions: isMade ? questions : 'made-by-nobody',
    webhooks: (webhook.body.id as string | undefined) ?? '',
    agents: agentIds[2] ?? '',
    agentIds,
    scans: await api.posture.makeScan({
      ...{ org, operator: operator.id, operatorName: site, selector: '' },
      scope: (await api.get('/v1/me', { token })).body.selector ?? '',
    }),
    schedules: await post('schedules', { name: `at ${site}`, pack: 'baseline', cron: '0 2 * * *' }),
    exceptions: await post('exceptions', exception),
    vulnerabilities: site === 'two' ? 'CVE-2026-2' : 'CVE-2026-1',
    'vulnerability-scans': api.posture.makeVulnerabilityScan({
      ...{ org, operator: operator.id, operatorName: site, selector: '' },
      scope: (await api.get('/v1/me', { token })).body.selector ?? '',
    }),
    queries: await makeQuery(api, { org, token, site, at }),
    commands: command.id satisfies CommandId,
    pendingCommand: pending.id,
    tokens: made.body.tokenId as string,
  };
}

/** A query with one row and one failure. */
async function makeQuery(api: ApiFixture, { org, token, site, at }: Maker): Promise<string> {
  api.service.endsAtOnce = false;
  const { body } = await api.ask('POST', '/v1/queries', { token, body: { sql: `SELECT '${site}' AS name, 1 AS pid` } });
  api.service.endsAtOnce = true;
  const record = await (api.api.components['queries'] as unknown as QueryStore).read(org, body.id);
  if (record === undefined) throw new Error('the query was not kept');
  const block = new AnswerBlockWriter();
  block.add(at, encodeCbor([site, 1]));
  await api.service.emit(record, { t: 'rows', answers: block.bytes() });
  await api.service.emit(record, { t: 'failures', failures: [[at + 1, 'timed_out', 'deadline', `late at ${site}`]] });
  await api.service.end(record);
  return record.id;
}

/** A telemetry service that knows no endpoint. */
async function telemetryService(api: ApiFixture): Promise<void> {
  const instance = newTelemetryServiceId();
  const partitions = Array.from({ length: METRICS_PARTITIONS }, (_, partition) => partition);
  const { bus } = api.broker.connect();
  const answer = ({ data, reply }: BusMessage): void => {
    const { t } = decodeServiceMessage<TelemetryRequest>(data);
    const coverage = { instance, partitions, filling: [], rows: [] };
    if (t === 'latest_metrics') reply?.(encodeBusMessage({ t, ...coverage, partition: 0 }));
    if (t === 'fleet_metrics') reply?.(encodeBusMessage({ t, ...coverage, groups: [] }));
    const none = { ok: new Uint8Array(), warning: new Uint8Array(), critical: new Uint8Array() };
    if (t === 'health_states') reply?.(encodeBusMessage({ t, ...coverage, states: none }));
    if (t === 'fleet_top') reply?.(encodeBusMessage({ t, ...coverage, endpoints: 0 }));
    const counts = { ok: 0, warning: 0, critical: 0 };
    if (t === 'health_list') reply?.(encodeBusMessage({ t, ...coverage, counts, isCut: false }));
  };
  bus.subscribe(SUBJECTS.telemetryService(instance), answer);
  for (const partition of partitions) bus.subscribe(SUBJECTS.latestMetrics(partition), answer);
  const heartbeat = { t: 'telemetry_beat', instance, stopping: false, nowMs: 0 } as const;
  setInterval(() => bus.publish(SUBJECTS.telemetryHeartbeats, encodeBusMessage(heartbeat)), 200).unref();
  await eventually(async () => (await api.get('/v1/health')).status === 200);
}

/** A gateway whose counters are all `bytes`: what all orgs together have carried. */
function gateway(api: ApiFixture, bytes: number): void {
  const gatewayId = newGatewayId();
  const count = { bytesIn: bytes, bytesOut: bytes };
  const purposes = { session: count, heartbeat: count, query: count, command: count };
  const report: TrafficCounters = {
    t: 'traffic',
    startedAtMs: 1_790_000_000_000,
    nowMs: 1_790_003_600_000,
    live: { sessions: bytes, seconds: bytes, purposes },
    poll: { sessions: bytes, seconds: bytes, purposes },
    enrol: count,
    sockets: { measured: 'sockets', ...count, missed: bytes },
  };
  void api.registry.lease.renew({ gatewayId, ttlMs: 600_000, info: { sessions: 0, draining: false, startedAtMs: 0 } });
  api.broker.connect().bus.subscribe(SUBJECTS.gateway(gatewayId), ({ data, reply }) => {
    const about = decodeBusMessage<Extract<GatewayRequest, { t: 'about' }>>(data, 'about');
    const secrets = about === undefined ? [] : [{ name: `of-${about.org}` }];
    reply?.(encodeBusMessage(about === undefined ? report : { t: 'about', version: '0.1.0', secrets }));
  });
}
