import type { Bus, BusMessage } from '@muster/bus';
import { encodeBusMessage } from '@muster/messages';
import { AppError } from '@muster/protocol';
import type { Logger } from '@muster/runtime';
import { problemReply, type ProblemReply } from './problem-reply.js';

type Encodable = Parameters<typeof encodeBusMessage>[0];

export interface ReplyTerms {
  readonly bus: Pick<Bus, 'maxPayloadBytes'>;
  /** `posture` */
  readonly service: string;
  readonly kind: string;
  readonly logger: Logger;
}

/**
 * Encodes and sends the reply to a request; returns what was sent. Never throws: what cannot be encoded, and what is
 * larger than the broker takes, becomes a problem. Otherwise one large reply would end the process, and then each other
 * one that is asked the same.
 */
export function sendReply<R extends Encodable>(
  message: Pick<BusMessage, 'reply'>,
  reply: R,
  terms: ReplyTerms,
): R | ProblemReply {
  try {
    send(message, reply, terms);
    return reply;
  } catch (error) {
    const problem = problemReply(error, terms);
    try {
      send(message, problem, terms);
    } catch (again) {
      terms.logger.error('a request has no reply', { kind: terms.kind, err: again });
    }
    return problem;
  }
}

function send(message: Pick<BusMessage, 'reply'>, reply: Encodable, { bus, service }: ReplyTerms): void {
  const data = encodeBusMessage(reply);
  if (data.length > bus.maxPayloadBytes)
    throw new AppError(
      'too_large',
      `the answer of the ${service} service takes ${data.length} bytes, and the message broker takes ${bus.maxPayloadBytes}: ask for less at once`,
    );
  message.reply?.(data);
}
