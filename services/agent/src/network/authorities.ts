import { readFileSync } from 'node:fs';
import * as tls from 'node:tls';
import { readFault, type Env } from '@muster/runtime/program';
import { readFileIfThere } from '../store/atomic-file.js';

const HEAD = 'BEGIN CERTIFICATE';

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
 * Node 22.15): then Node uses its own. Throws when a named file cannot be read or holds no certificate: it names the file and what
 * named it.
 */
export function authorities(pinnedFile: string | undefined, env: Env, bundles = LINUX_BUNDLES): string | undefined {
  if (pinnedFile !== undefined) return readCertificates('MUSTER_GATEWAY_CA', pinnedFile);
  const named = env['SSL_CERT_FILE'] || undefined;
  if (named !== undefined) return readCertificates('SSL_CERT_FILE', named);
  const system = process.platform === 'linux' ? firstOf(bundles) : systemStore();
  const extra = env['NODE_EXTRA_CA_CERTS'] || undefined;
  if (system === undefined || extra === undefined) return system;
  return `${system}\n${readCertificates('NODE_EXTRA_CA_CERTS', extra)}`;
}

function readCertificates(setting: string, path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Error(`${setting} names ${path}, which cannot be read (${readFault(cause)})`, { cause });
  }
  if (text.includes(HEAD)) return text;
  throw new Error(`${setting} names ${path}, which does not hold a certificate in PEM`);
}

function firstOf(paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const text = readFileIfThere(path);
    if (text?.includes(HEAD) === true) return text;
  }
  return undefined;
}

/** The keychain or certificate store; Node can read it from 22.15 on. */
function systemStore(): string | undefined {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'system') => string[] };
  const found = getCACertificates?.('system') ?? [];
  return found.length === 0 ? undefined : found.join('\n');
}
