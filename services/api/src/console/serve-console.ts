import { randomBytes } from 'node:crypto';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { localsOf } from '../http/locals.js';
import type { ConsoleFile, Encoding } from './console-files.js';

/** In index.html in the place of what allows one response's own style elements. */
const NONCE = '__MUSTER_CSP_NONCE__';
const INDEX = '/index.html';
const YEAR_S = 365 * 24 * 3_600;
/** Paths of the API, and of files that must exist: what is missing there is not a page of the console. */
const NO_PAGES = /^\/(?:v1|problems|assets|metrics|health|healthz|readyz|livez)(?:\/|$)/;

/**
 * Serves the console: its files, and index.html for every other path that may be a page of it. The policy lets a page run and load what
 * comes from this origin, and nothing that stands in the page itself; style elements need the nonce of the response.
 */
export function serveConsole(files: ReadonlyMap<string, ConsoleFile>): RequestHandler {
  return (request: Request, response: Response, next: NextFunction): void => {
    const { path, method } = request;
    const found = path === '/' ? INDEX : path;
    const file = files.get(found) ?? (isPage(path) ? files.get(INDEX) : undefined);
    if (file === undefined || (method !== 'GET' && method !== 'HEAD')) {
      next();
      return;
    }
    localsOf(response).route = 'console';
    const isIndex = file === files.get(INDEX);
    const nonce = randomBytes(16).toString('base64url');
    response.setHeader('content-security-policy', policy(nonce));
    response.setHeader('permissions-policy', 'camera=(), microphone=(), geolocation=(), usb=(), payment=()');
    response.setHeader('content-type', file.type);
    response.setHeader('cache-control', file.isImmutable ? `public, max-age=${YEAR_S}, immutable` : 'no-cache');
    if (isIndex) end(response, method, withNonce(file, nonce));
    else send(file, request, response);
  };
}

function isPage(path: string): boolean {
  return !NO_PAGES.test(path) && !path.slice(path.lastIndexOf('/')).includes('.');
}

function policy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    ...['font-src', 'connect-src', 'worker-src', 'manifest-src', 'form-action'].map((name) => `${name} 'self'`),
    ...['base-uri', 'frame-ancestors'].map((name) => `${name} 'none'`),
  ].join('; ');
}

function withNonce({ bodies }: ConsoleFile, nonce: string): Buffer {
  return Buffer.from((bodies.get('identity') ?? Buffer.alloc(0)).toString('utf8').replaceAll(NONCE, nonce));
}

function send({ bodies, etag }: ConsoleFile, request: Request, response: Response): void {
  response.setHeader('etag', etag);
  response.vary('Accept-Encoding');
  if ((request.headers['if-none-match'] ?? '').split(/,\s*/).includes(etag)) {
    response.statusCode = 304;
    response.end();
    return;
  }
  // The smallest that is there, whatever the order in which the browser names them.
  const encoding: Encoding =
    (['br', 'gzip'] as const).find((one) => bodies.has(one) && request.acceptsEncodings(one) === one) ?? 'identity';
  if (encoding !== 'identity') response.setHeader('content-encoding', encoding);
  end(response, request.method, bodies.get(encoding) ?? Buffer.alloc(0));
}

function end(response: Response, method: string, body: Buffer): void {
  response.setHeader('content-length', body.length);
  response.end(method === 'HEAD' ? undefined : body);
}
