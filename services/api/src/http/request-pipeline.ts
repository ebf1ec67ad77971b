import express, { type Request, type Response } from 'express';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { AuditTrail, NewAuditRecord } from '@muster/audit';
import { leastRole, roleAllows, UNKNOWN_ORIGIN } from '@muster/identity';
import { traced } from '@muster/messages';
import { AppError, type OrgId, type QueryId } from '@muster/protocol';
import type { AuditRecord } from '@muster/records';
import type { Clock, Tracer } from '@muster/runtime';
import { isPlatformAdmin, type Authenticator, type Principal } from './principal.js';
import type { RateLimits } from './rate-limits.js';
import { HOLDERS, type Shares } from './shares.js';
import type { HttpMetrics } from './http-metrics.js';
import { CONSOLE_HEADER, PERSON_HEADER } from '@muster/api-contract';
import { canonicalJson } from './canonical-json.js';
import { requestKeyOf, type Idempotency, type IdempotentCall } from './idempotency.js';
import { localsOf } from './locals.js';
import type { Answer, AuditNote, Call, JsonAnswer, Operation } from './operation.js';
import { isDeeperThan, MAX_JSON_DEPTH } from './json-depth.js';
import { asAppError, bodyFault, schemaFault } from './problems.js';
import { writeLines } from './write-lines.js';

export interface PipelineParts {
  readonly authenticator: Authenticator;
  /** Whether a session's last sign-in is recent enough for an operation, by its name in the audit record; throws. */
  readonly reauthentication: { readonly checkOperation: (principal: Principal, operation: string) => void };
  readonly principalLimits: RateLimits;
  readonly failureLimits: RateLimits;
  /** The requests in progress. */
  readonly requests: Shares;
  readonly audit: Pick<AuditTrail, 'record' | 'recordFirst' | 'recordRateLimited'>;
  readonly idempotency: Idempotency;
  readonly metrics: HttpMetrics;
  readonly tracer: Tracer;
  readonly clock: Clock;
  /** Its unbounded admins see what is not counted by org. Its audit record keeps refusals of unknown callers. */
  readonly platformOrg: OrgId;
  /** Called with the connection of each request whose credentials are valid. */
  readonly onAuthenticated?: (socket: Socket) => void;
}

type Outcome = Pick<AuditRecord, 'outcome' | 'code'>;

const BODY_LIMIT_BYTES = 1024 * 1024;
const readJson = express.json({
  limit: BODY_LIMIT_BYTES,
  inflate: false,
  strict: false,
  type: () => true,
  verify: (_request, _response, body, charset) => {
    // RFC 8259 §8.1 has no other, and the depth is counted in bytes.
    if (charset !== 'utf-8') throw bodyFault('charset.unsupported');
    if (isDeeperThan(body, MAX_JSON_DEPTH)) throw bodyFault('entity.too.deep');
  },
});

/** Statuses of refusals that are audited for every operation. Other refusals are audited only where the operation is. */
const KEPT_REFUSALS: ReadonlySet<number> = new Set([401, 403, 422, 429]);

/** Every request goes through: authenticate, limit, authorise, validate, idempotency, handler, audit record, answer. */
export class RequestPipeline {
  readonly #parts: PipelineParts;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  async run(operation: Operation, request: Request, response: Response): Promise<void> {
    const draft: AuditDraft = {
      principal: undefined,
      note: undefined,
      elsewhere: false,
      recorded: false,
      refusal: undefined,
    };
    try {
      const answer = await this.#answer(operation, request, response, draft);
      const outcome: Outcome =
        draft.refusal === undefined ? { outcome: 'allowed' } : { outcome: 'refused', code: 'unauthenticated' };
      if (operation.audited === true && !draft.recorded) this.#note(operation, response, draft, outcome);
      if (draft.refusal !== undefined) this.#limitFailure(draft.refusal, response);
      await send(answer, request, response, this.#parts.clock);
    } catch (thrown) {
      const error = asAppError(thrown);
      const refused = error.status < 500;
      this.#limitPublic(operation, error, response, draft);
      if (error.code === 'table_forbidden') draft.note = withTables(draft.note, error);
      if (KEPT_REFUSALS.has(error.status) || (operation.audited === true && !response.headersSent)) {
        this.#note(operation, response, draft, { outcome: refused ? 'refused' : 'failed', code: error.code });
      }
      throw error;
    }
  }

  async #answer(operation: Operation, request: Request, response: Response, draft: AuditDraft): Promise<Answer> {
    const principal =
      operation.access === 'public' ? ANONYMOUS : await this.#admit(operation, request, response, draft);
    const body = operation.body === undefined ? undefined : await readBody(request, response);
    const key = operation.idempotent === undefined ? undefined : idempotencyKey(request);
    const caller = { org: principal.org, principalId: `${principal.kind}:${principal.id}` };
    const call: Omit<Call<unknown, unknown, unknown>, 'queryId'> = {
      principal,
      params: check('path', operation.params, request.params),
      query: check('query', operation.query, request.query),
      body: check('body', operation.body, body),
      requestId: localsOf(response).requestId,
      trace: traced(localsOf(response).span),
      from: localsOf(response).from,
      client: localsOf(response).client,
      negotiate: (...offered) => negotiate(request, offered),
      header: (name) => request.header(name),
      note: (note) => (draft.note = { ...draft.note, ...note }),
      noteFirst: () => this.#noteFirst(operation, response, draft),
      identified: (known) => (draft.principal = known),
      refused: (reason) => (draft.refusal = reason),
      auditedElsewhere: () => (draft.elsewhere = true),
      requestKey: key === undefined ? undefined : requestKeyOf({ ...caller, key }),
      signal: closeSignal(response),
    };
    const perform = (queryId?: QueryId) => operation.handle({ ...call, queryId } as never);
    if (key === undefined) return await perform();
    const of = [operation.id, request.originalUrl, canonicalJson(body ?? null)];
    const identity = { ...caller, key, request: of, onceBy: onceBy(operation), ends: operation.ends === true };
    // Sound: an operation that takes idempotency keys answers with JSON, never with a stream.
    const answer = await this.#parts.idempotency.run(
      identity,
      async (queryId) => (await perform(queryId)) as JsonAnswer,
    );
    if (answer.headers?.['idempotency-replayed'] !== undefined) draft.note = { details: { replayed: true } };
    return answer;
  }

  /** Authenticates the caller, applies the rate limits, and checks the permission and how long ago they signed in. */
  async #admit(operation: Operation, request: Request, response: Response, draft: AuditDraft): Promise<Principal> {
    const { authenticator, principalLimits, failureLimits, metrics, onAuthenticated, platformOrg } = this.#parts;
    const result = await authenticator.authenticate({
      authorization: request.header('authorization'),
      client: localsOf(response).client,
      method: request.method,
      isMarked: request.header(CONSOLE_HEADER) !== undefined,
      person: request.header(PERSON_HEADER),
    });
    if (!result.ok) {
      metrics.authFailures.inc({ reason: result.reason });
      draft.note = { details: { reason: result.reason } };
      // Only failures count: failures from the same address do not lock out a valid token.
      if (result.error.status === 401) this.#limit(failureLimits, localsOf(response).from, 'failed_authentications');
      throw result.error;
    }
    draft.principal = result.principal;
    this.#beginSpan(operation, request, response);
    onAuthenticated?.(request.socket);
    const holder = `${result.principal.org}/${result.principal.kind}/${result.principal.id}`;
    try {
      this.#limit(principalLimits, holder, 'principal');
    } finally {
      response.set(principalLimits.headers(holder));
    }
    this.#takeShare(result.principal, response);
    const { access } = operation;
    if (access !== 'any' && access !== 'public' && !roleAllows(result.principal.role, access)) {
      throw new AppError('forbidden', `this needs the role ${leastRole(access)}; yours is ${result.principal.role}`, {
        details: { permission: access },
      });
    }
    if (operation.platform === true && !isPlatformAdmin(result.principal, platformOrg)) {
      throw new AppError('forbidden', 'this is not counted by org: only admins of the platform may see it', {
        details: { platform: true },
      });
    }
    this.#parts.reauthentication.checkOperation(result.principal, operation.action);
    return result.principal;
  }

  /** Failed attempts to sign in are limited like other failed authentications. */
  #limitPublic({ access }: Operation, error: AppError, response: Response, draft: AuditDraft): void {
    if (access !== 'public' || error.status !== 401) return;
    const reason = draft.note?.details?.['reason'];
    this.#limitFailure(typeof reason === 'string' ? reason : 'unknown', response);
  }

  #limitFailure(reason: string, response: Response): void {
    this.#parts.metrics.authFailures.inc({ reason });
    this.#limit(this.#parts.failureLimits, localsOf(response).from, 'failed_authentications');
  }

  /** Only for callers that are known: a stranger must not fill the collector, nor choose what is recorded. */
  #beginSpan({ method, path }: Operation, request: Request, response: Response): void {
    const locals = localsOf(response);
    const verb = method.toUpperCase();
    locals.span = this.#parts.tracer.begin(`${verb} ${path}`, request.header('traceparent'), {
      kind: 'server',
      startedAtMs: Date.now() - (performance.now() - locals.startedMs),
      attributes: { 'http.request.method': verb, 'http.route': path },
    });
  }

  /** Counts the request as one of this operator until its connection has the whole answer, or is gone. */
  #takeShare(principal: Principal, response: Response): void {
    const { requests, metrics } = this.#parts;
    const bound = requests.reachedBy(principal);
    if (bound !== undefined) {
      metrics.rateLimited.inc({ limit: 'in_progress' });
      throw new AppError('rate_limited', `${HOLDERS[bound]} as many requests in progress as are allowed`, {
        details: { retryAfterMs: 1_000 },
      });
    }
    // The caller may have gone while their credentials were checked.
    if (response.closed) return;
    requests.take(principal);
    response.on('close', () => requests.release(principal));
  }

  #limit(limits: RateLimits, key: string, limit: string): void {
    const taken = limits.take(key);
    if (taken.ok) return;
    this.#parts.metrics.rateLimited.inc({ limit });
    throw new AppError('rate_limited', 'too many requests; slow down', {
      details: { retryAfterMs: taken.retryAfterMs },
    });
  }

  #note(operation: Operation, response: Response, { principal, note, elsewhere }: AuditDraft, outcome: Outcome): void {
    if (elsewhere) return;
    const { audit } = this.#parts;
    const record = this.#auditRecord(operation, response, { principal, note }, outcome);
    if (principal === undefined || outcome.code === 'rate_limited') audit.recordRateLimited(record);
    else audit.record(record, { essential: isChange(operation, outcome, note) });
  }

  async #noteFirst(operation: Operation, response: Response, draft: AuditDraft): Promise<void> {
    const failed = await this.#parts.audit.recordFirst(
      this.#auditRecord(operation, response, draft, { outcome: 'allowed' }),
    );
    if (failed !== undefined)
      throw new AppError('broker_unavailable', 'it cannot be recorded now, so nothing was done', { cause: failed });
    draft.recorded = true;
  }

  #auditRecord(
    operation: Operation,
    response: Response,
    { principal, note }: Pick<AuditDraft, 'principal' | 'note'>,
    outcome: Outcome,
  ): NewAuditRecord {
    const { platformOrg } = this.#parts;
    const { sessionId } = principal ?? {};
    const details = sessionId === undefined ? note?.details : { ...note?.details, session: sessionId };
    return {
      org: principal?.org ?? platformOrg,
      actor: principal?.id ?? 'unknown',
      actorName: principal?.name ?? 'unknown',
      action: operation.action,
      from: localsOf(response).from,
      ...(principal?.selector === undefined ? {} : { scope: principal.selector }),
      ...note,
      ...(details === undefined ? {} : { details }),
      ...outcome,
    };
  }
}

/** What is known for the audit record when it is written. */
interface AuditDraft {
  principal: Principal | undefined;
  note: AuditNote | undefined;
  elsewhere: boolean;
  /** That it was allowed is recorded already. */
  recorded: boolean;
  /** Why somebody who signs in was refused. */
  refusal: string | undefined;
}

/** Whether the record is of a change that was made. Others use nothing of the storage's reserve. */
function isChange({ method }: Operation, { outcome }: Outcome, note: AuditNote | undefined): boolean {
  return outcome === 'allowed' && method !== 'get' && note?.details?.['replayed'] !== true;
}

function withTables(note: AuditNote | undefined, { details }: AppError): AuditNote {
  return { ...note, details: { ...note?.details, tables: details['tables'] } };
}

const ANONYMOUS: Principal = {
  kind: 'token',
  id: 'nobody',
  name: 'nobody',
  org: 'none' as OrgId,
  role: 'viewer',
  bound: [],
  person: 'nobody',
  origin: UNKNOWN_ORIGIN,
};

function check(where: 'path' | 'query' | 'body', schema: Operation['body'], value: unknown): unknown {
  if (schema === undefined) return where === 'body' ? undefined : {};
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw schemaFault(where, parsed.error);
  return parsed.data;
}

function onceBy({ idempotent }: Operation): IdempotentCall['onceBy'] {
  if (idempotent === 'query_id') return idempotent;
  return idempotent === 'passed_on' ? 'service' : 'process';
}

function idempotencyKey(request: Request): string | undefined {
  const key = request.header('idempotency-key');
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw new AppError('bad_request', 'the idempotency key must be 1 to 255 visible ASCII characters');
}

/** The parsed JSON body; `undefined` when there is no body. */
async function readBody(request: Request, response: Response): Promise<unknown> {
  const length = request.header('content-length');
  if (request.header('transfer-encoding') === undefined && (length === undefined || length === '0')) return undefined;
  if (request.is('application/json') === false) {
    throw new AppError('unsupported_media_type', 'send the body as application/json');
  }
  await new Promise<void>((resolve, reject) => {
    readJson(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error as Error)));
  });
  return request.body as unknown;
}

function negotiate(request: Request, offered: readonly string[]): string {
  const type = request.accepts([...offered]);
  if (type === false) throw new AppError('not_acceptable', `this can be had as ${offered.join(', ')}`);
  return type;
}

function closeSignal(response: Response): AbortSignal {
  const controller = new AbortController();
  response.on('close', () => controller.abort());
  return controller.signal;
}

async function send(answer: Answer, request: Request, response: Response, clock: Clock): Promise<void> {
  response.status(answer.status);
  response.set(answer.headers ?? {});
  if (answer.kind === 'json' && answer.cookies !== undefined) response.setHeader('set-cookie', answer.cookies);
  if (answer.kind === 'json') {
    if (answer.body === undefined) response.end();
    else await sendJson(JSON.stringify(answer.body), request, response);
    return;
  }
  const locals = localsOf(response);
  locals.isStream = true;
  // How long somebody watches is no latency.
  locals.span.set({ 'http.response.status_code': answer.status });
  locals.span.end();
  if (answer.kind === 'lines') await writeLines(answer, request, response, clock);
  else if (request.method === 'HEAD') response.end();
  else await answer.write(response);
}

/** Shorter bodies gain nothing. */
const MIN_COMPRESSED = 1_024;
const compress = promisify(gzip);

/**
 * Whole answers and downloads are compressed for callers that take it; streams are not, since they must not wait for a
 * block to be full.
 */
async function sendJson(text: string, request: Request, response: Response): Promise<void> {
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.vary('Accept-Encoding');
  if (text.length < MIN_COMPRESSED || request.acceptsEncodings('gzip', 'identity') !== 'gzip') {
    response.send(text);
    return;
  }
  const body = await compress(text);
  response.setHeader('content-encoding', 'gzip');
  response.setHeader('content-length', body.length);
  response.end(request.method === 'HEAD' ? undefined : body);
}
