import type { MessagePort } from 'node:worker_threads';
import type { SqlEngine } from '@muster/tables';
import type { WorkerReply, WorkerRequest } from './messages.js';
import { runRequest } from './run-request.js';

/**
 * The worker's side: handles one request at a time from `port`, until the thread ends. `prepare` is called before each
 * one.
 */
export function serveRequests(
  port: MessagePort,
  engine: SqlEngine,
  prepare: (request: WorkerRequest) => void = () => {},
): void {
  const reply = (message: WorkerReply, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
  port.on('message', (request: WorkerRequest) => {
    reply({ t: 'started' });
    prepare(request);
    reply(runRequest(engine, request, (rows) => reply({ t: 'rows', rows }, [rows.buffer])));
  });
}
