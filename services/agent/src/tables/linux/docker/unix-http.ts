import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';

/** What came for a path: the body, or why there is none. */
export type UnixAnswer =
  { readonly body: string } | { readonly fault: 'status' | 'too_large' | 'too_slow' | 'unreachable' };

export interface UnixRequests {
  readonly socketPath: string;
  readonly paths: readonly string[];
  readonly timeoutMs: number;
  /** Of all bodies together. */
  readonly maxBytes: number;
}

/** A text and not a file: the agent may be one file, and the thread needs nothing of it. */
const THREAD = `
const { get } = require('node:http');
const { workerData: { socketPath, paths, timeoutMs, maxBytes, port, flag } } = require('node:worker_threads');
let bytes = 0;
const one = (path) => new Promise((resolve) => {
  const request = get({ socketPath, path, headers: { host: 'docker' }, timeout: timeoutMs }, (response) => {
    const chunks = [];
    response.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes > maxBytes) { resolve({ fault: 'too_large' }); request.destroy(); }
      else chunks.push(chunk);
    });
    response.on('end', () => resolve(response.statusCode === 200 ? { body: Buffer.concat(chunks).toString() } : { fault: 'status' }));
    response.on('error', () => resolve({ fault: 'unreachable' }));
  });
  request.on('timeout', () => { resolve({ fault: 'too_slow' }); request.destroy(); });
  request.on('error', () => resolve({ fault: 'unreachable' }));
});
const answers = new Array(paths.length);
let next = 0;
const lane = async () => { while (next < paths.length) { const at = next++; answers[at] = await one(paths[at]); } };
Promise.all(Array.from({ length: 8 }, lane)).then(() => {
  port.postMessage(answers);
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
});
`;

/**
 * GET requests to a server on a Unix socket. Tables are read synchronously, so a thread asks and this one waits, never longer than the
 * time limit: a server that does not answer holds up nothing else.
 */
export function getOverUnixSocket(requests: UnixRequests): readonly UnixAnswer[] {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(THREAD, {
    eval: true,
    workerData: { ...requests, flag, port: port2 },
    transferList: [port2],
  });
  worker.unref();
  // What is wrong with the thread is what no answer says.
  worker.on('error', () => undefined);
  try {
    Atomics.wait(flag, 0, 0, requests.timeoutMs);
    const answers = receiveMessageOnPort(port1)?.message as readonly UnixAnswer[] | undefined;
    return answers ?? requests.paths.map(() => ({ fault: 'too_slow' }) as const);
  } finally {
    port1.close();
    void worker.terminate();
  }
}
