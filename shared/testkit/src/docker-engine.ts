import { request, type RequestOptions } from 'node:http';

const ANSWER_MS = 1_500;
const DEFAULT_SOCKET = '/var/run/docker.sock';

/** Whether a Docker engine answers a ping quickly, at DOCKER_HOST or at the default socket. */
export function engineAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ ...engineAddress(), path: '/_ping', timeout: ANSWER_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.on('close', () => resolve(false));
    call.end();
  });
}

function engineAddress(): RequestOptions {
  const host = process.env['DOCKER_HOST'];
  if (host === undefined || host === '') return { socketPath: DEFAULT_SOCKET };
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) };
  const { hostname, port } = new URL(host.replace(/^tcp:/, 'http:'));
  return { host: hostname, port };
}
