import { randomUUID } from 'node:crypto';
import {
  decodeServiceMessage,
  encodeBusMessage,
  type ChangeTerms,
  type PostureReply,
  type PostureRequest,
  type RequestTerms,
} from '@muster/messages';
import { expectReply, replyOf, type ServiceAsker, type ServiceName } from '@muster/service-base';

type Reply<T extends PostureReply['t']> = Extract<PostureReply, { t: T }>;

const SERVICE: ServiceName = { name: 'posture service', absent: 'no_posture_service' };
const TIMEOUT_MS = 12_000;
/** A read is given up so early when no posture service is heard any more. One that is heard has the whole time. */
const SILENT_READ_MS = 5_000;
/** By the first word of its kind; those of a scan have `scan`. */
const READS = /^(?:list|show|scan)_/;

/** Requests to posture services. Throws an `AppError` for a refusal and when there is no answer. */
export class PostureClient {
  readonly #asker: Pick<ServiceAsker, 'ask'>;

  constructor({ asker }: { readonly asker: Pick<ServiceAsker, 'ask'> }) {
    this.#asker = asker;
  }

  async ask<const T extends PostureReply['t']>(request: PostureRequest, kind: T): Promise<Reply<T>> {
    const nature = READS.test(request.t) ? 'read' : 'change';
    const change: ChangeTerms = nature === 'read' ? {} : { changeId: randomUUID() };
    const encode = (terms: RequestTerms): Uint8Array => encodeBusMessage({ ...request, ...change, ...terms });
    const early = nature === 'read' ? { silentMs: SILENT_READ_MS } : {};
    const result = await this.#asker.ask(encode, { timeoutMs: TIMEOUT_MS, ...early });
    const reply = replyOf(result, (data) => decodeServiceMessage<PostureReply>(data), SERVICE, nature);
    return expectReply<PostureReply, T>(reply, kind, SERVICE);
  }
}
