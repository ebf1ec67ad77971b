import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '@muster/runtime/program';
import { HttpPost } from './http-post.js';

const folder = mkdtempSync(join(tmpdir(), 'muster-remote-write-tls-'));
const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
let server: Server;
let url: URL;

beforeAll(async () => {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...key, '-keyout', keyFile, '-out', certFile, ...subject], {
    stdio: 'ignore',
  });
  server = createServer({ key: readFileSync(keyFile), cert: readFileSync(certFile) }, (_, response) => {
    response.writeHead(204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = new URL(`https://localhost:${(server.address() as AddressInfo).port}/`);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  rmSync(folder, { recursive: true, force: true });
});

const post = async (ca?: string) => {
  const options = { url, clock: systemClock, connections: 1, timeoutMs: 30_000, headers: {} };
  const one = new HttpPost({ ...options, ...(ca === undefined ? {} : { ca }) });
  const result = await one.send(Buffer.from('x'), {}, new AbortController().signal);
  one.close();
  return result;
};

test('a store is believed by the configured certificate', async () => {
  expect(await post(readFileSync(certFile, 'utf8'))).toMatchObject({ kind: 'answered', status: 204 });
});

test('a store with a certificate that nobody vouches for gets nothing', async () => {
  expect(await post()).toMatchObject({ kind: 'unreachable', detail: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
});
