import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ensureCertificates, type CertificateFiles } from '@muster/local';
import { defineConfig, loadConfig } from '@muster/runtime';
import { listenerFaults, listenerFields, serviceFields, tlsFiles } from './common-fields.js';

const definition = defineConfig({
  prefix: 'MUSTER_DEMO_',
  fields: { ...serviceFields, ...listenerFields },
  check: listenerFaults,
});
const required = { MUSTER_NATS_URL: 'nats://127.0.0.1:4222', MUSTER_REDIS_URL: 'redis://127.0.0.1:6379' };
const load = (env: Record<string, string>) => loadConfig(definition, { ...required, ...env });

let folder: string;
let ours: CertificateFiles;
let others: CertificateFiles;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-service-base-'));
  ours = await ensureCertificates(join(folder, 'ours'));
  others = await ensureCertificates(join(folder, 'others'));
  writeFileSync(join(folder, 'text'), 'nothing of this kind');
  writeFileSync(join(folder, 'cut'), '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
  writeFileSync(
    join(folder, 'locked'),
    '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n',
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

test('only the brokers are required; without a certificate a listener has no TLS', () => {
  const result = load({});
  if (!result.ok) throw result.error;
  expect(result.config).toMatchObject({ healthHost: '0.0.0.0', healthPort: 9090 });
  expect(tlsFiles(result.config)).toEqual({});
});

test('certificate and key belong together', () => {
  const result = load({ MUSTER_TLS_CERT_FILE: ours.certPath, MUSTER_TLS_KEY_FILE: ours.keyPath });
  if (!result.ok) throw result.error;
  expect(tlsFiles(result.config)).toEqual({ tls: { certFile: ours.certPath, keyFile: ours.keyPath } });
  const alone = load({ MUSTER_TLS_KEY_FILE: ours.keyPath });
  expect(!alone.ok && alone.error.faults).toMatchObject([{ name: 'MUSTER_TLS_CERT_FILE' }]);
});

test.each([
  ['a certificate that is not there', 'nowhere', 'ours', [['CERT', /nowhere, which cannot be read \(ENOENT\)/]]],
  ['a folder in place of a key', 'ours', '.', [['KEY', /which cannot be read \(EISDIR\)/]]],
  [
    'a text in place of both',
    'text',
    'text',
    [
      ['CERT', /does not hold a certificate/],
      ['KEY', /does not hold a private/],
    ],
  ],
  ['a certificate that was cut', 'cut', 'ours', [['CERT', /cut, which does not hold a certificate in PEM/]]],
  ['a key with a passphrase', 'ours', 'locked', [['KEY', /locked, which does not hold a private key in PEM without/]]],
  [
    'key and certificate in each other’s place',
    'ours.key',
    'ours.cert',
    [
      ['CERT', /ours/],
      ['KEY', /ours/],
    ],
  ],
  ['the key of another certificate', 'ours', 'others', [['KEY', /which is not the key of the certificate in .*ours/]]],
] as const)('%s: the fault names setting and file', (_what, cert, key, faults) => {
  const certPaths: Record<string, string> = { ours: ours.certPath, 'ours.key': ours.keyPath };
  const keyPaths: Record<string, string> = { ours: ours.keyPath, 'ours.cert': ours.certPath, others: others.keyPath };
  const result = load({
    MUSTER_TLS_CERT_FILE: certPaths[cert] ?? join(folder, cert),
    MUSTER_TLS_KEY_FILE: keyPaths[key] ?? join(folder, key),
  });
  expect(!result.ok && result.error.faults).toEqual(
    faults.map(([name, fault]) => ({ name: `MUSTER_TLS_${name}_FILE`, fault: expect.stringMatching(fault) })),
  );
});

test('a Redis URL that is none is a fault of its setting', () => {
  const result = load({ MUSTER_REDIS_URL: 'localhost:6379' });
  expect(!result.ok && result.error.faults).toMatchObject([
    { name: 'MUSTER_REDIS_URL', fault: expect.stringMatching(/must be redis:\/\/host:port/) },
  ]);
});
