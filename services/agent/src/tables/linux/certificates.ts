import type { Collector } from '../contract/system.js';
import { parseCertificates } from './parse/certificate.js';

/** Bundles of trusted certificates in the different distributions. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const;

export const certificates: Collector = {
  table: 'certificates',
  *collect(system, request) {
    const bundle = BUNDLES.find((path) => system.exists(path));
    const paths = request.equal('path') ?? (bundle === undefined ? [] : [bundle]);
    const files = system.ofStatement(() => request.checkpoint());
    for (const path of paths.map(String).filter((one) => one.startsWith('/'))) {
      for (const row of parseCertificates(files.text(path) ?? '')) yield { ...row, path };
    }
  },
};
