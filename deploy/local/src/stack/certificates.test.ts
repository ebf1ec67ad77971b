import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ensureCertificates } from './certificates.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-tls-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('only a client that pins the authority trusts the server, by name and by address', async () => {
  const files = await ensureCertificates(folder);
  const [ca, cert, key] = await Promise.all(
    [files.caPath, files.certPath, files.keyPath].map((path) => readFile(path, 'utf8')),
  );
  const server = createServer({ cert, key }, (_, response) => response.end('hello'));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const ask = (host: string, options: { ca?: string }): Promise<number | string | undefined> =>
    new Promise((resolve) => {
      request(
        {
          host,
          port,
          agent: false,
          lookup: (_h, _o, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
          ...options,
        },
        (response) => resolve(response.resume().statusCode),
      )
        .on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
        .end();
    });
  expect(await ask('localhost', { ca: ca! })).toBe(200);
  expect(await ask('127.0.0.1', { ca: ca! })).toBe(200);
  expect(await ask('elsewhere.example', { ca: ca! })).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  expect(await ask('localhost', {})).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  await new Promise((resolve) => server.close(resolve));
});

test('existing certificates are kept, and the server certificate is renewed in time under the same authority', async () => {
  const first = await ensureCertificates(folder);
  const [ca, cert] = [await readFile(first.caPath, 'utf8'), await readFile(first.certPath, 'utf8')];
  await ensureCertificates(folder);
  expect(await readFile(first.certPath, 'utf8')).toBe(cert);

  await ensureCertificates(folder, Date.now() + 380 * 86_400_000);
  const renewed = await readFile(first.certPath, 'utf8');
  expect(renewed).not.toBe(cert);
  expect(await readFile(first.caPath, 'utf8')).toBe(ca);
  expect(new X509Certificate(renewed).checkIssued(new X509Certificate(ca))).toBe(true);
});

test('keys are readable by their owner only', async () => {
  const { keyPath } = await ensureCertificates(folder);
  expect((await stat(keyPath)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'ca.key'))).mode & 0o777).toBe(0o600);
});
