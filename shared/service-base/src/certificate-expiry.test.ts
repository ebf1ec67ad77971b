import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { ensureCertificates } from '@muster/local';
import { createMetrics } from '@muster/runtime';
import { createCertificateMetric, earliestExpiry } from './certificate-expiry.js';

test('the metric is when the certificate that is served expires; of a chain, the first one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-certificate-'));
  try {
    const { certPath, caPath } = await ensureCertificates(folder);
    const [leaf, ca] = [await readFile(certPath, 'utf8'), await readFile(caPath, 'utf8')];
    const expiry = Date.parse(new X509Certificate(leaf).validTo);
    expect(expiry).toBeLessThan(Date.parse(new X509Certificate(ca).validTo));
    const metrics = createMetrics('api');
    createCertificateMetric(metrics, { tlsCertFile: certPath });
    const text = await metrics.registry.metrics();
    expect(text).toContain(`muster_api_certificate_expiry_timestamp_seconds ${expiry / 1_000}\n`);
    expect(earliestExpiry(`${ca}\n${leaf}`)).toBe(expiry);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('without TLS there is no such metric, and no alarm', async () => {
  const metrics = createMetrics('api');
  createCertificateMetric(metrics, { tlsCertFile: undefined });
  expect(await metrics.registry.metrics()).not.toContain('certificate');
});
