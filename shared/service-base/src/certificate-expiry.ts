import { X509Certificate } from 'node:crypto';

/** Milliseconds since 1970 at which the first certificate of a PEM text expires. */
export function earliestExpiry(pem: string): number {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return Math.min(...blocks.map((block) => Date.parse(new X509Certificate(block).validTo)));
}
