import { fileURLToPath } from 'node:url';
import type { Broker } from '@muster/bus';
import { decodeServiceMessage, encodeBusMessage, SUBJECTS, type QueryReply, type StartQuery } from '@muster/messages';
import type { OrgId } from '@muster/protocol';
import {
  decodeQueryRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type QueryRecord,
  type ResultEvent,
  type ResultForm,
} from '@muster/records';
import { TestProcess } from '@muster/testkit';
import type { BenchBrokers } from '../measure/run-bench.js';

const MAIN = fileURLToPath(new URL('../../../../services/query/dist/main.js', import.meta.url));
const TIMEOUT_MS = 60_000;

/** One query service as a process. */
export function startQueryService(brokers: BenchBrokers, nodeArgs: readonly string[] = []): Promise<TestProcess> {
  return TestProcess.start({
    main: MAIN,
    nodeArgs: [...nodeArgs],
    env: {
      ...{ MUSTER_NATS_URL: brokers.natsUrl, MUSTER_REDIS_URL: brokers.redisUrl },
      // It makes the streams that it needs.
      MUSTER_NATS_RIGHTS: 'all',
      ...{ MUSTER_HEALTH_HOST: '127.0.0.1', MUSTER_HEALTH_PORT: '0' },
    },
  });
}

/** Starts a query as the API does. */
export async function startQuery({ bus }: Broker, mode: ResultForm): Promise<QueryRecord> {
  const request: StartQuery = {
    ...{
      t: 'start',
      org: 'acme' as OrgId,
      operator: 'bench',
      operatorName: 'Bench',
      sql: 'SELECT name, version, arch FROM deb_packages',
    },
    ...{ selector: '', bound: '', mode, timeoutMs: TIMEOUT_MS },
  };
  const result = await bus.request(SUBJECTS.queries, encodeBusMessage(request), { timeoutMs: TIMEOUT_MS });
  if (result.kind !== 'reply') throw new Error(`the query service did not reply: ${result.kind}`);
  const reply = decodeServiceMessage<QueryReply>(result.data);
  if (reply.t !== 'started') throw new Error(`the query did not start: ${JSON.stringify(reply)}`);
  return reply.record;
}

/** The events of a query as they are stored, up to its end. */
export async function* followQuery({ streams }: Broker, { org, id }: QueryRecord): AsyncGenerator<ResultEvent> {
  for await (const { data } of streams.read(STREAMS.results.name, {
    subject: STREAM_SUBJECTS.result(org, id),
    follow: true,
  })) {
    const event = decodeQueryRecord<ResultEvent>(data);
    yield event;
    if (event.t === 'ended') return;
  }
}
