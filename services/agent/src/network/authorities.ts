import { readFileSync } from 'node:fs';
import * as tls from 'node:tls';
import type { Env } from '@muster/runtime/program';
import { readFileIfThere } from '../store/atomic-file.js';

/** Where Linux distributions store the trusted authorities of the system, as one PEM file. */
const LINUX_BUNDLES = [
  // Debian, Ubuntu, Arch, Gentoo, Alpine
  '/etc/ssl/certs/ca-certificates.crt',
  // Fedora, RHEL and relatives
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  // SUSE
  '/var/lib/ca-certificates/ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
];

/**
 * PEM of the authorities to trust: only the pinned ones; or those of `SSL_CERT_FILE`, as with OpenSSL; or those of the
 * system plus `NODE_EXTRA_CA_CERTS`. `undefined` where those of the system are not available (Windows and macOS before
 * Node 22.15): then Node uses its own. Throws when a named file cannot be read.
 */
export function authorities(pinnedFile: string | undefined, env: Env, bundles = LINUX_BUNDLES): string | undefined {
  const named = pinnedFile ?? (env['SSL_CERT_FILE'] || undefined);
  if (named !== undefined) return readFileSync(named, 'utf8');
  const system = process.platform === 'linux' ? firstOf(bundles) : systemStore();
  const extra = env['NODE_EXTRA_CA_CERTS'] || undefined;
  if (system === undefined || extra === undefined) return system;
  return `${system}\n${readFileSync(extra, 'utf8')}`;
}

function firstOf(paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const text = readFileIfThere(path);
    if (text?.includes('BEGIN CERTIFICATE') === true) return text;
  }
  return undefined;
}

/** The keychain or certificate store; Node can read it from 22.15 on. */
function systemStore(): string | undefined {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'system') => string[] };
  const found = getCACertificates?.('system') ?? [];
  return found.length === 0 ? undefined : found.join('\n');
}
