import { StreamError, type Bus, type BusMessage, type BusSubscription } from '@muster/bus';
import {
  encodeBusMessage,
  isExpired,
  messagingAttributes,
  SUBJECTS,
  traced,
  type CommandReply,
  type CommandRequest,
  type RequestTerms,
  type Traced,
} from '@muster/messages';
import { AppError, LIMITS, type CommandServiceId } from '@muster/protocol';
import type { RequestSeal } from '@muster/identity';
import { LATENCY_BUCKETS, NO_SPAN, type Clock, type Logger, type Metrics, type Tracer } from '@muster/runtime';
import { problemReply, sendReply } from '@muster/service-base';
import type { CommandAudit } from '../journal/command-audit.js';
import type { JournalProjection } from '../journal/journal-projection.js';
import { policyInForce, type Policy } from './approval-policy.js';
import type { CompletionWaiters } from './completion-waiters.js';
import type { ManageCommands } from './manage-commands.js';
import { openRequest } from './open-request.js';
import type { CommandKeys } from '../signing/command-keys.js';
import { signPack } from './sign-pack.js';
import type { SubmitCommands } from './submit-commands.js';

export interface CommandRequestHandlerOptions {
  readonly bus: Bus;
  readonly instance: CommandServiceId;
  readonly clock: Clock;
  /** The one that the heartbeats tell: the terms of requests are by it. */
  readonly heartbeatClock: Pick<Clock, 'now'>;
  readonly logger: Logger;
  readonly metrics: RequestMetrics;
  readonly tracer: Tracer;
  /** With a seal, only requests that an API sealed are read. */
  readonly seal?: RequestSeal;
  readonly audit: Pick<CommandAudit, 'request'>;
  readonly projection: Pick<JournalProjection, 'current' | 'get'>;
  readonly submissions: Pick<SubmitCommands, 'submit' | 'plan' | 'undo'>;
  readonly management: Pick<ManageCommands, 'approve' | 'cancel' | 'list'>;
  readonly keys: Pick<CommandKeys, 'signPack' | 'signProposal' | 'openProposal'>;
  readonly policy: () => Policy;
  readonly waiters: Pick<CompletionWaiters, 'start' | 'stop' | 'ended'>;
}

const KINDS = new Set<CommandRequest['t']>([
  'submit',
  'plan',
  'undo',
  'approve',
  'cancel',
  'sign_pack',
  'list',
  'policy',
]);
/** What is asked of commands that exist: another service may have made or ended them a moment ago, or while this one stood still. */
const OF_EARLIER = new Set<CommandRequest['t']>(['undo', 'approve', 'cancel', 'list']);
const REQUEST_SPAN = { kind: 'server', attributes: messagingAttributes(SUBJECTS.commands) } as const;

/**
 * Answers the requests of the API. They arrive on the subject of this service, which the API chose by its heartbeats, or through the queue
 * group of all command services.
 */
export class CommandRequestHandler {
  readonly #options: CommandRequestHandlerOptions;
  readonly #underWay = new Set<Promise<void>>();
  #shared: BusSubscription | undefined;
  #own: BusSubscription | undefined;
  #draining = false;

  constructor(options: CommandRequestHandlerOptions) {
    this.#options = options;
  }

  start(): void {
    const take = (message: BusMessage): void => {
      const answering: Promise<void> = this.#answer(message).finally(() => this.#underWay.delete(answering));
      this.#underWay.add(answering);
    };
    const { waiters, bus, instance } = this.#options;
    waiters.start();
    this.#shared = bus.subscribe(SUBJECTS.commands, take, { queue: 'command' });
    this.#own = bus.subscribe(SUBJECTS.commandService(instance), take);
  }

  /** Takes no more requests, and answers those under way. Who asks this service itself is told so until it stops. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#shared?.unsubscribe();
    this.#options.waiters.stop();
    await Promise.all(this.#underWay);
  }

  stop(): void {
    this.#shared?.unsubscribe();
    this.#own?.unsubscribe();
    this.#options.waiters.stop();
  }

  async #handle(request: CommandRequest & Traced): Promise<CommandReply> {
    const { submissions, management } = this.#options;
    if (OF_EARLIER.has(request.t) && !this.#isOpen(request)) await this.#catchUp();
    switch (request.t) {
      case 'submit':
        return submissions.submit(request);
      case 'plan':
        return submissions.plan(request);
      case 'undo':
        return submissions.undo(request);
      case 'approve':
        return management.approve(request);
      case 'cancel':
        return management.cancel(request);
      case 'sign_pack':
        return signPack(request, {
          ...{ keys: this.#options.keys, policy: this.#options.policy(), nowMs: this.#options.clock.now() },
        });
      case 'policy':
        return { t: 'policy', policy: policyInForce(this.#options.policy()) };
      case 'list':
        return management.list(request);
      default:
        throw new AppError('bad_request', 'the command service does not know this request');
    }
  }

  /**
   * A command that is open here is approved and cancelled at once, however far this service is behind: the journal
   * decides whether it counts.
   */
  #isOpen(request: CommandRequest): boolean {
    if (request.t !== 'approve' && request.t !== 'cancel') return false;
    return this.#options.projection.get(request.id)?.org === request.org;
  }

  async #catchUp(): Promise<void> {
    try {
      await this.#options.projection.current();
    } catch (cause) {
      if (!(cause instanceof StreamError)) throw cause;
      throw new AppError('broker_unavailable', 'the journal cannot be read now; try again in a moment', { cause });
    }
  }

  async #answer(message: BusMessage): Promise<void> {
    const { bus, metrics, clock, heartbeatClock, logger, audit, seal, tracer } = this.#options;
    const startedMs = clock.monotonic();
    let request: (CommandRequest & RequestTerms) | undefined;
    let reply: CommandReply;
    let span = NO_SPAN;
    try {
      request = openRequest(message.data, seal, clock.now());
      if (isExpired(request, heartbeatClock.now())) return this.#drop(message, request, 'expired');
      if (this.#draining) return this.#drop(message, request, 'draining');
      if (!isComplete(request)) throw new AppError('bad_request', 'the request is not whole');
      if (KINDS.has(request.t)) span = tracer.part(`command ${request.t}`, request.traceparent, REQUEST_SPAN);
      reply = await this.#handle({ ...request, ...traced(span) });
    } catch (error) {
      reply = problemReply(error, { service: 'command', kind: request?.t ?? 'unknown', logger: span.logger(logger) });
    }
    if (reply.t === 'command') span.set({ 'muster.command.id': reply.command.record.id });
    span.end(reply.t === 'problem' ? reply.code : undefined);
    const kind = request !== undefined && KINDS.has(request.t) ? request.t : 'unknown';
    // An incomplete request has no caller that an audit record could name.
    if (request !== undefined && kind !== 'unknown' && isComplete(request)) audit.request(request, reply);
    metrics.requests.inc({ kind, result: reply.t === 'problem' ? reply.code : 'ok' });
    metrics.seconds.observe({ kind }, (clock.monotonic() - startedMs) / 1_000);
    sendReply(message, await this.#whenEnded(request, reply), { bus, service: 'command', kind, logger });
  }

  /** Neither done nor audited: nobody waits any more, or another service is asked next. */
  #drop(message: BusMessage, { t }: CommandRequest, why: 'expired' | 'draining'): void {
    this.#options.metrics.requests.inc({ kind: KINDS.has(t) ? t : 'unknown', result: why });
    if (why === 'expired') return;
    const stopping = 'the command service is stopping; ask again';
    message.reply?.(encodeBusMessage({ t: 'problem', code: why, message: stopping, details: {} }));
  }

  async #whenEnded(request: CommandRequest | undefined, reply: CommandReply): Promise<CommandReply> {
    if (reply.t !== 'command' || request?.t !== 'submit' || request.waitMs === undefined) return reply;
    return this.#options.waiters.ended(reply, Math.min(request.waitMs, LIMITS.commandWaitMaxMs));
  }
}

/** The API has checked the input of operators; this checks what any other client of the broker sends. */
function isComplete(request: CommandRequest): boolean {
  if (typeof request.org !== 'string') return false;
  if (request.t === 'list' || request.t === 'policy') return true;
  const has = (value: unknown): boolean => typeof value === 'object' && value !== null;
  if (!has(request.caller)) return false;
  return (request.t !== 'submit' && request.t !== 'plan') || isTarget(request.target);
}

function isTarget(target: unknown): boolean {
  if (typeof target !== 'object' || target === null) return false;
  if ('selector' in target) return typeof target.selector === 'string';
  return Array.isArray('agentIds' in target ? target.agentIds : 'rows' in target ? target.rows : undefined);
}

export type RequestMetrics = ReturnType<typeof requestMetrics>;

export function requestMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter({
      name: 'muster_command_requests_total',
      help: 'Requests to the command service, by kind and result (ok, an error code, or expired: dropped because nobody waited any more).',
      labels: ['kind', 'result'],
    }),
    seconds: metrics.histogram({
      name: 'muster_command_request_seconds',
      help: 'From a request to its reply.',
      labels: ['kind'],
      buckets: LATENCY_BUCKETS,
    }),
  };
}
