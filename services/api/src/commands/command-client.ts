import type { Bus } from '@muster/bus';
import {
  AppError,
  decodeCommandWire,
  encodeCommandWire,
  SUBJECTS,
  type CommandReply,
  type CommandRequest,
} from '@muster/protocol';
import { expectReply, replyOf, type ServiceName } from '../bus/service-reply.js';

type Reply<T extends CommandReply['t']> = Extract<CommandReply, { t: T }>;
type Request<T extends CommandRequest['t']> = Extract<CommandRequest, { t: T }>;

const SERVICE: ServiceName = { name: 'command service', absent: 'no_command_service' };
/** A submit to many endpoints is hashed, signed and kept before it is answered. */
const CHANGE_TIMEOUT_MS = 10_000;
const LOOK_TIMEOUT_MS = 5_000;

/**
 * The API's side of the talk with command services. `answered` is called when a service has decided, either way: it keeps the audit record of
 * that. Every method throws an `AppError` when there is no answer or a refusal. A `timeout` may
 * have been acted on; a repeat with the same request key then finds the command that was made.
 */
export class CommandClient {
  readonly #bus: Pick<Bus, 'request' | 'maxPayloadBytes'>;

  constructor(bus: Pick<Bus, 'request' | 'maxPayloadBytes'>) {
    this.#bus = bus;
  }

  submit(request: Request<'submit' | 'undo'>, answered: () => void): Promise<Reply<'command'>> {
    return this.#ask(request, 'command', CHANGE_TIMEOUT_MS, answered);
  }

  plan(request: Request<'plan'>): Promise<Reply<'plan'>> {
    return this.#ask(request, 'plan', LOOK_TIMEOUT_MS);
  }

  decide(request: Request<'approve' | 'cancel'>, answered: () => void): Promise<Reply<'command'>> {
    return this.#ask(request, 'command', CHANGE_TIMEOUT_MS, answered);
  }

  list(request: Request<'list'>): Promise<Reply<'list'>> {
    return this.#ask(request, 'list', LOOK_TIMEOUT_MS);
  }

  async #ask<const T extends CommandReply['t']>(
    request: CommandRequest,
    kind: T,
    timeoutMs: number,
    answered: () => void = () => undefined,
  ): Promise<Reply<T>> {
    const data = encodeCommandWire(request);
    if (data.length > this.#bus.maxPayloadBytes) {
      throw new AppError('too_large', 'the order names more endpoints or rows than one message holds; divide it');
    }
    const result = await this.#bus.request(SUBJECTS.commands, data, { timeoutMs });
    const reply = replyOf<CommandReply>(result, (bytes) => decodeCommandWire<CommandReply>(bytes), SERVICE);
    answered();
    return expectReply<CommandReply, T>(reply, kind, SERVICE);
  }
}
