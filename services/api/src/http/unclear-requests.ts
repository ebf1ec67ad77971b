import type { Socket } from 'node:net';
import { AppError } from '@muster/protocol';
import { framingFault } from '@muster/runtime';
import type { NextFunction, Request, Response } from 'express';

/**
 * Refuses requests whose end or receiver a proxy may see elsewhere than this server does, and what comes behind them on
 * the same connection. The parser of Node.js refuses most of them before.
 */
export function refuseUnclear() {
  const refused = new WeakSet<Socket>();
  return ({ socket, headersDistinct }: Request, response: Response, next: NextFunction): void => {
    const { host: hosts = [], 'content-length': length, 'transfer-encoding': coding } = headersDistinct;
    const fault = framingFault({ hosts, length: length?.join(), coding: coding?.join() });
    if (fault === undefined && !refused.has(socket)) {
      next();
      return;
    }
    refused.add(socket);
    response.setHeader('connection', 'close');
    throw new AppError('bad_request', fault ?? 'it came behind a request whose end is not clear');
  };
}
