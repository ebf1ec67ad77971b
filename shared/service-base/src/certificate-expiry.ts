import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Metrics } from '@muster/runtime';

/** When the certificate of a listener expires, or the first of its chain. It is read once, as the listener reads it; without TLS there is no metric. */
export function createCertificateMetric(
  metrics: Metrics,
  { tlsCertFile }: { readonly tlsCertFile: string | undefined },
): void {
  if (tlsCertFile === undefined) return;
  const expiresMs = earliestExpiry(readFileSync(tlsCertFile, 'utf8'));
  metrics.gauge({
    name: `muster_${metrics.service}_certificate_expiry_timestamp_seconds`,
    help: 'When the certificate that this process serves expires, in seconds since 1970.',
    collect: (gauge) => gauge.set(expiresMs / 1_000),
  });
}

/** Milliseconds since 1970 at which the first certificate of a PEM text expires. */
export function earliestExpiry(pem: string): number {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return Math.min(...blocks.map((block) => Date.parse(new X509Certificate(block).validTo)));
}
