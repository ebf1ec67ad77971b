import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import { randomUUID } from 'node:crypto';
import { AppError } from '@muster/protocol';
import { clientAddress, NO_SPAN, type Logger, type TrustedProxies } from '@muster/runtime';
import { clientConnection } from './client-connection.js';
import type { HttpMetrics } from './http-metrics.js';
import { refuseUnclear } from './unclear-requests.js';
import { localsOf } from './locals.js';
import type { Operation } from './operation.js';
import { asAppError, sendProblem } from './problems.js';
import type { RequestPipeline } from './request-pipeline.js';

export interface AppParts {
  readonly operations: readonly Operation[];
  readonly pipeline: RequestPipeline;
  readonly proxies: TrustedProxies;
  readonly metrics: HttpMetrics;
  readonly logger: Logger;
  /** Holds requests back while this process does not know what is. */
  readonly gate: RequestHandler;
  /** Takes what is no operation. */
  readonly console?: RequestHandler;
}

/** The Express application: routes requests to operations, and answers every error with a problem document. */
export function createApp({ operations, pipeline, proxies, metrics, logger, gate, console }: AppParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.use(securityHeaders());
  app.use((request, response, next) => begin(request, response, { proxies, metrics, logger }, next));
  app.use(refuseUnclear());
  app.use(gate);
  for (const path of routingOrder(operations)) {
    const ofPath = operations.filter((operation) => operation.path === path);
    const route = app.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
    for (const operation of ofPath) {
      route[operation.method]((request, response) => {
        localsOf(response).route = path;
        return pipeline.run(operation, request, response);
      });
    }
    route.all((_request, response) => {
      localsOf(response).route = path;
      response.setHeader('allow', allowedMethods(ofPath).join(', '));
      throw new AppError('method_not_allowed', `this path allows ${allowedMethods(ofPath).join(', ')}`);
    });
  }
  if (console !== undefined) app.use(console);
  app.use((request) => {
    throw new AppError('not_found', `there is nothing at ${request.path.slice(0, 200)}`);
  });
  app.use((thrown: unknown, request: Request, response: Response, _next: NextFunction) =>
    fail(thrown, request, response, logger),
  );
  return app;
}

/** Fixed path segments before parameters: `/v1/agents/labels` is not the agent `labels`. */
function routingOrder(operations: readonly Operation[]): string[] {
  const rank = (path: string): string => path.replaceAll('{', '\uffff');
  return [...new Set(operations.map(({ path }) => path))].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

function allowedMethods(operations: readonly Operation[]): string[] {
  const methods = operations.map((operation) => operation.method.toUpperCase());
  return methods.includes('GET') ? ['HEAD', ...methods] : methods;
}

/** The API serves data only: browsers must not frame, sniff, execute or cache it. */
function securityHeaders() {
  const lock = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
  });
  return (request: Request, response: Response, next: NextFunction): void => {
    response.setHeader('cache-control', 'no-store');
    lock(request, response, next);
  };
}

type Begin = Pick<AppParts, 'proxies' | 'metrics' | 'logger'>;

function begin(request: Request, response: Response, { proxies, metrics, logger }: Begin, next: NextFunction): void {
  const given = request.header('x-request-id');
  const locals = localsOf(response);
  locals.startedMs = performance.now();
  locals.span = NO_SPAN;
  locals.requestId = given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
  locals.from = clientAddress(request.socket.remoteAddress, request.header('x-forwarded-for'), proxies);
  locals.client = clientConnection(request, locals.from, proxies);
  locals.route = 'unmatched';
  response.setHeader('x-request-id', locals.requestId);
  response.on('close', () => {
    const { route, isStream, requestId, from, span } = locals;
    const { method } = request;
    const seconds = (performance.now() - locals.startedMs) / 1_000;
    const { statusCode } = response;
    if (isStream !== true) {
      const labels = { route, method: known(method), status_class: `${Math.floor(statusCode / 100)}xx` };
      metrics.requestSeconds.observe(labels, seconds);
    }
    span.set({ 'http.response.status_code': statusCode });
    span.end(statusCode < 500 ? undefined : String(statusCode));
    span
      .logger(logger)
      .debug('request', { requestId, method, route, status: statusCode, ms: Math.round(seconds * 1_000), from });
  });
  next();
}

/** The caller chooses the method's name; a metric label must not hold arbitrary text. */
function known(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'PUT', 'OPTIONS'].includes(method) ? method : 'other';
}

function hasBody(request: Request): boolean {
  return request.header('transfer-encoding') !== undefined || Number(request.header('content-length') ?? 0) > 0;
}

function fail(thrown: unknown, request: Request, response: Response, logger: Logger): void {
  const error = asAppError(thrown);
  const { requestId, route, span } = localsOf(response);
  if (error.status >= 500) {
    const log = span.logger(logger);
    const fields = { requestId, route, code: error.code, err: error.cause ?? error };
    if (error.code === 'internal') log.error('request failed', fields);
    else log.warn('request failed', fields);
  }
  if (response.headersSent) {
    // A partial answer must not look complete.
    response.destroy();
    return;
  }
  // An unread body would be parsed as the next request, or would have to be read to its end.
  if (error.code === 'too_large' || (hasBody(request) && !request.complete)) response.setHeader('connection', 'close');
  sendProblem(response, error, requestId);
}
