import { randomUUID } from 'node:crypto';
import type { Bus } from '@muster/bus';
import {
  decodeServiceMessage,
  encodeBusMessage,
  type CommandReply,
  type CommandRequest,
  type RequestTerms,
} from '@muster/messages';
import { AppError, type OrgId } from '@muster/protocol';
import type { RequestSeal } from '@muster/identity';
import type { Clock } from '@muster/runtime';
import { expectReply, replyOf, type RequestNature, type ServiceAsker, type ServiceName } from '@muster/service-base';

type Reply<T extends CommandReply['t']> = Extract<CommandReply, { t: T }>;
type Request<T extends CommandRequest['t']> = Extract<CommandRequest, { t: T }>;

const SERVICE: ServiceName = { name: 'command service', absent: 'no_command_service' };
/** The command service hashes, signs and journals a command before it answers. */
const CHANGE_TIMEOUT_MS = 10_000;
const LOOK_TIMEOUT_MS = 5_000;

interface AskTerms {
  readonly beginMs: number;
  readonly waitMs?: number;
  readonly nature?: RequestNature;
}

export interface CommandClientOptions {
  readonly bus: Pick<Bus, 'maxPayloadBytes'>;
  readonly asker: Pick<ServiceAsker, 'ask'>;
  readonly clock: Clock;
  /** Seals requests. Absent: command services are configured without a request key. */
  readonly seal?: RequestSeal;
}

/**
 * Requests to command services. `answered` is called when a service has accepted or refused, because it keeps the audit record of that.
 * Every method throws an `AppError` for a refusal and when there is no answer.
 * A request that timed out may have been carried out; a repeat with the same request key then finds the command that it made.
 */
export class CommandClient {
  readonly #options: CommandClientOptions;

  constructor(options: CommandClientOptions) {
    this.#options = options;
  }

  submit(request: Request<'submit' | 'undo'>, answered?: () => void): Promise<Reply<'command'>> {
    const waitMs = request.t === 'submit' ? (request.waitMs ?? 0) : 0;
    // A request that reaches two services makes one command.
    const once = { ...request, requestKey: request.requestKey ?? randomUUID() };
    return this.#ask(once, 'command', { beginMs: CHANGE_TIMEOUT_MS, waitMs }, answered);
  }

  plan(request: Request<'plan'>): Promise<Reply<'plan'>> {
    return this.#ask(request, 'plan', { beginMs: LOOK_TIMEOUT_MS, nature: 'read' });
  }

  decide(request: Request<'approve' | 'cancel'>, answered?: () => void): Promise<Reply<'command'>> {
    return this.#ask(request, 'command', { beginMs: CHANGE_TIMEOUT_MS }, answered);
  }

  /** Has the checks of a pack signed in the caller's name, or hears that another person must approve it. */
  async signPack(request: Request<'sign_pack'>): Promise<Reply<'pack_signed' | 'pack_waits'>> {
    const reply = await this.#reply(request, { beginMs: LOOK_TIMEOUT_MS });
    return reply.t === 'pack_waits' ? reply : expectReply<CommandReply, 'pack_signed'>(reply, 'pack_signed', SERVICE);
  }

  list(request: Request<'list'>): Promise<Reply<'list'>> {
    return this.#ask(request, 'list', { beginMs: LOOK_TIMEOUT_MS, nature: 'read' });
  }

  /** The policy that one of them has in force. */
  policy(org: OrgId): Promise<Reply<'policy'>> {
    return this.#ask({ t: 'policy', org }, 'policy', { beginMs: LOOK_TIMEOUT_MS, nature: 'read' });
  }

  async #ask<const T extends CommandReply['t']>(
    request: CommandRequest,
    kind: T,
    terms: AskTerms,
    answered: () => void = () => undefined,
  ): Promise<Reply<T>> {
    const reply = await this.#reply(request, terms);
    answered();
    return expectReply<CommandReply, T>(reply, kind, SERVICE);
  }

  async #reply(request: CommandRequest, { beginMs, waitMs = 0, nature }: AskTerms): Promise<CommandReply> {
    const { bus, clock, seal, asker } = this.#options;
    const encode = (terms: RequestTerms): Uint8Array => {
      const body = encodeBusMessage({ ...request, ...terms });
      const data = seal === undefined ? body : seal.seal(body, clock.now());
      if (data.length <= bus.maxPayloadBytes) return data;
      throw new AppError('too_large', 'the order names more endpoints or rows than one message holds; divide it');
    };
    const result = await asker.ask(encode, { timeoutMs: beginMs + waitMs, beginMs });
    return replyOf<CommandReply>(result, (bytes) => decodeServiceMessage<CommandReply>(bytes), SERVICE, nature);
  }
}
