import { posix } from 'node:path';

/** `/v1/live` of a gateway, as a WebSocket URL. */
export function liveUrl(gatewayUrl: string): string {
  return endpointUrl(gatewayUrl, 'v1/live').replace(/^http/, 'ws');
}

/** `/v1/poll` of a gateway, as an HTTP URL. */
export function pollUrl(gatewayUrl: string): string {
  return endpointUrl(gatewayUrl, 'v1/poll').replace(/^ws/, 'http');
}

/** `/v1/enroll` of a gateway, as an HTTP URL. */
export function enrolUrl(gatewayUrl: string): string {
  return endpointUrl(gatewayUrl, 'v1/enroll').replace(/^ws/, 'http');
}

function endpointUrl(gatewayUrl: string, path: string): string {
  const url = new URL(gatewayUrl);
  return `${url.protocol}//${url.host}${posix.join(url.pathname, path)}`;
}
