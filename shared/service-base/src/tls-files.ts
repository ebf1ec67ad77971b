import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFault, type ConfigFault } from '@muster/runtime';

/** A setting that names a file. */
interface FileSetting {
  readonly name: string;
  readonly path: string;
}

/**
 * What is wrong with a listener's certificate and key. Looked at before a listener does, because the native one says only that it failed.
 * A fault names the setting and the file, never what is in it.
 */
export function tlsFileFaults(cert: FileSetting, key: FileSetting): ConfigFault[] {
  const certificate = read(cert, CERTIFICATE, (text) => new X509Certificate(text));
  const privateKey = read(key, PRIVATE_KEY, (text) => createPrivateKey(text));
  const faults = [certificate, privateKey].flatMap((one) => ('fault' in one ? [one] : []));
  if ('fault' in certificate || 'fault' in privateKey) return faults;
  return certificate.value.checkPrivateKey(privateKey.value)
    ? []
    : [{ name: key.name, fault: `names ${key.path}, which is not the key of the certificate in ${cert.path}` }];
}

/** What is wrong with a setting that holds certificates. */
export function pemFault(text: string): string | undefined {
  return CERTIFICATE.head.test(text) ? undefined : 'must be certificates in PEM';
}

/** What must stand in a file, and how a fault says so. */
const CERTIFICATE = { head: /-----BEGIN CERTIFICATE-----/, expect: 'a certificate in PEM' };
const PRIVATE_KEY = { head: /-----BEGIN [A-Z ]*PRIVATE KEY-----/, expect: 'a private key in PEM without a passphrase' };

function read<T>(
  { name, path }: FileSetting,
  { head, expect }: typeof CERTIFICATE,
  parse: (text: string) => T,
): { readonly value: T } | ConfigFault {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { name, fault: `names ${path}, which cannot be read (${readFault(error)})` };
  }
  try {
    if (head.test(text)) return { value: parse(text) };
  } catch {
    // It has the head, and nothing behind it that can be read.
  }
  return { name, fault: `names ${path}, which does not hold ${expect}` };
}
