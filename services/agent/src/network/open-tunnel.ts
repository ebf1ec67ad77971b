import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type NetworkEnd, urlEnd } from './network-end.js';

export type Tunnel =
  | { readonly ok: true; readonly socket: Socket }
  /** The status line of the proxy, and the authentication scheme that it asks for. */
  | { readonly ok: false; readonly status: number; readonly line: string; readonly scheme: string | undefined };

const MAX_HEAD_BYTES = 16 * 1024;

/**
 * Asks a proxy for a tunnel (RFC 9110 §9.3.6). Only the doctor uses this, because it must say which step failed;
 * sessions use the library. Rejects when the connection fails. The caller limits the time and destroys the socket.
 */
export async function openTunnel(
  proxy: URL,
  to: NetworkEnd,
  ca: string | undefined,
  onSocket: (socket: Socket) => void,
): Promise<Tunnel> {
  const end = urlEnd(proxy);
  const name = isIP(end.host) === 0 ? { servername: end.host } : {};
  const socket =
    proxy.protocol === 'https:' ? connectTls({ ...end, ...name, ...(ca !== undefined && { ca }) }) : connectTcp(end);
  onSocket(socket);
  const authority = `${to.host.includes(':') ? `[${to.host}]` : to.host}:${to.port}`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization(proxy)}\r\n`);
  const head = await readHead(socket);
  const [line = ''] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(line)?.[1] ?? 0);
  if (status >= 200 && status < 300) return { ok: true, socket };
  return { ok: false, status, line: line.slice(0, 200), scheme: /^proxy-authenticate: *([\w-]+)/im.exec(head)?.[1] };
}

function authorization({ username, password }: URL): string {
  if (username === '' && password === '') return '';
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return `Proxy-Authorization: Basic ${credentials}\r\n`;
}

function readHead(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let head = '';
    const onData = (part: Buffer): void => {
      head += part.toString('latin1');
      if (!head.includes('\r\n\r\n') && head.length < MAX_HEAD_BYTES) return;
      socket.pause().off('data', onData);
      resolve(head);
    };
    socket.on('data', onData);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the proxy closed the connection without an answer')));
  });
}
