import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type GatewayReply, type GatewayRequest } from '@muster/messages';
import type { Logger } from '@muster/runtime';
import type { GatewayIdentity } from './gateway-identity.js';

type RequestKind = GatewayRequest['t'];
type Handler<K extends RequestKind> = (
  request: Extract<GatewayRequest, { readonly t: K }>,
) => GatewayReply | Promise<GatewayReply>;
type Handlers = { [K in RequestKind]?: Handler<K> };

export interface InboxOptions {
  readonly bus: Bus;
  readonly identity: GatewayIdentity;
  readonly logger: Logger;
}

/** Answers the requests that are sent to this gateway by its id. Each kind has one handler. Nobody answers for former ids. */
export class GatewayInbox {
  readonly #options: InboxOptions;
  readonly #handlers: Handlers = {};
  #subscription: BusSubscription | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
    options.identity.listen({
      fenced: () => {
        if (this.#subscription !== undefined) this.start();
      },
    });
  }

  on<K extends RequestKind>(kind: K, handler: Handlers[K]): void {
    this.#handlers[kind] = handler;
  }

  start(): void {
    const { bus, identity, logger } = this.#options;
    this.#subscription?.unsubscribe();
    const { id } = identity;
    // A process that stood still finds out before it believes a request that waited meanwhile.
    const isCurrent = (): boolean => {
      identity.checkLease();
      return identity.id === id;
    };
    this.#subscription = answerRequests({
      ...{ bus, logger, isCurrent },
      subject: SUBJECTS.gateway(id),
      handlers: this.#handlers,
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }
}

/**
 * Subscribes to requests on a subject. One that has no handler, or whose handler fails, is answered with a fault; all of them when the
 * subject is not `isCurrent` any more.
 */
export function answerRequests(options: {
  readonly bus: Bus;
  readonly logger: Logger;
  readonly subject: string;
  readonly handlers: Readonly<Handlers>;
  readonly isCurrent?: () => boolean;
}): BusSubscription {
  const { bus, logger, subject, handlers, isCurrent = () => true } = options;
  const answer = async (request: GatewayRequest | undefined): Promise<GatewayReply> => {
    const handler = request === undefined ? undefined : (handlers[request.t] as Handler<RequestKind> | undefined);
    if (request === undefined || handler === undefined) return { t: 'fault', message: 'unknown request' };
    if (!isCurrent()) return { t: 'fault', message: 'the gateway has another id now' };
    try {
      return await handler(request);
    } catch (error) {
      logger.error('answering a request failed', { request: request.t, err: error });
      return { t: 'fault', message: 'the gateway failed' };
    }
  };
  return bus.subscribe(subject, ({ data, reply }) => {
    const request = decodeBusMessage<GatewayRequest>(data, ...(Object.keys(handlers) as RequestKind[]));
    void answer(request).then((result) => reply?.(encodeBusMessage(result)));
  });
}
