import type { Bus } from '@muster/bus';
import {
  decodeBusMessage,
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type CoordinatorHeartbeat,
  type QueryReply,
  type RequestTerms,
  type StartQuery,
  type Traced,
} from '@muster/messages';
import type { CoordinatorId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { expectReply, HeartbeatListener, replyOf, ServiceAsker, ServiceInstances } from '@muster/service-base';

const SERVICE = { name: 'query service', absent: 'no_query_service' } as const;
const START_TIMEOUT_MS = 10_000;

/** Starts queries at the query services, as the API does. */
export class QueryServices {
  readonly heartbeats: HeartbeatListener;
  readonly #asker: ServiceAsker;

  constructor({ bus, clock }: { readonly bus: Pick<Bus, 'request' | 'subscribe'>; readonly clock: Clock }) {
    const instances = new ServiceInstances(clock);
    this.heartbeats = new HeartbeatListener({
      ...{ bus, instances, subject: SUBJECTS.coordinatorHeartbeats },
      read: (data) => {
        const heartbeat = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
        return heartbeat === undefined ? undefined : { ...heartbeat, id: heartbeat.owner };
      },
    });
    const subjectOf = (id: string): string => SUBJECTS.queryService(id as CoordinatorId);
    this.#asker = new ServiceAsker({ bus, clock, instances, group: SUBJECTS.queries, subjectOf });
  }

  /**
   * The request has an id, so that one which reaches two services starts one query. @throws AppError for a refusal, or
   * without an answer
   */
  async start(request: StartQuery & Required<Pick<StartQuery, 'id'>> & Traced): Promise<QueryRecord> {
    const encode = (terms: RequestTerms): Uint8Array => encodeBusMessage({ ...request, ...terms });
    const result = await this.#asker.ask(encode, { timeoutMs: START_TIMEOUT_MS });
    const reply = replyOf(result, (data) => decodeServiceMessage<QueryReply>(data), SERVICE);
    return expectReply<QueryReply, 'started'>(reply, 'started', SERVICE).record;
  }
}
