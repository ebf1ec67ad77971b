import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CA_DAYS = 3_650;
const SERVER_DAYS = 397;
const RENEW_DAYS = 30;
/** The names of the server, unless others are asked for. */
const LOCAL_NAMES = ['localhost', '127.0.0.1', '::1'];

/** The paths of the files. Key files are readable by their owner only. */
export interface CertificateFiles {
  readonly caPath: string;
  readonly certPath: string;
  readonly keyPath: string;
}

/**
 * A certificate authority and a server certificate for localhost under it, kept in `folder`. Existing ones are used until 30 days before
 * they expire: agents pin the authority.
 */
export async function ensureCertificates(
  folder: string,
  nowMs = Date.now(),
  names: readonly string[] = LOCAL_NAMES,
): Promise<CertificateFiles> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = (name: string): string => join(folder, name);
  const ca = (await readPair(path('ca.pem'), path('ca.key'), nowMs)) ?? (await makeAuthority(folder, nowMs));
  const files = { caPath: path('ca.pem'), certPath: path('server.pem'), keyPath: path('server.key') };
  const server = await readPair(files.certPath, files.keyPath, nowMs);
  if (server === undefined || !(await server.certificate.verify({ publicKey: ca.certificate, signatureOnly: true }))) {
    await makeServer(files, ca, { nowMs, names });
  }
  return files;
}

interface Pair {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: CryptoKey;
}

type CryptoKey = webcrypto.CryptoKey;

/** The pair; undefined when a file is missing or unreadable, or when the certificate expires soon. */
async function readPair(certPath: string, keyPath: string, nowMs: number): Promise<Pair | undefined> {
  try {
    const certificate = new x509.X509Certificate(await readFile(certPath, 'utf8'));
    if (certificate.notAfter.getTime() - nowMs < RENEW_DAYS * DAY_MS) return undefined;
    const pkcs8 = x509.PemConverter.decodeFirst(await readFile(keyPath, 'utf8'));
    return { certificate, privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, true, ['sign']) };
  } catch {
    return undefined;
  }
}

async function makeAuthority(folder: string, nowMs: number): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(nowMs, CA_DAYS),
    name: 'CN=Muster local CA',
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await writePair(join(folder, 'ca.pem'), join(folder, 'ca.key'), certificate, keys.privateKey);
  return { certificate, privateKey: keys.privateKey };
}

interface ServerOptions {
  readonly nowMs: number;
  readonly names: readonly string[];
}

async function makeServer(files: CertificateFiles, ca: Pair, { nowMs, names }: ServerOptions): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity(nowMs, SERVER_DAYS),
    subject: 'CN=Muster on this machine',
    issuer: ca.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: ca.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(ca.certificate),
    ],
  });
  await writePair(files.certPath, files.keyPath, certificate, keys.privateKey);
}

function validity(nowMs: number, days: number): { serialNumber: string; notBefore: Date; notAfter: Date } {
  // The first byte stays below 0x80: serial numbers are positive (RFC 5280, 4.1.2.2).
  const serial = randomBytes(16);
  serial[0] = 0x40 | ((serial[0] ?? 0) & 0x3f);
  // Valid from an hour ago, for clocks that are slow.
  return {
    serialNumber: serial.toString('hex'),
    notBefore: new Date(nowMs - 3_600_000),
    notAfter: new Date(nowMs + days * DAY_MS),
  };
}

async function writePair(certPath: string, keyPath: string, cert: x509.X509Certificate, key: CryptoKey): Promise<void> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  await writeFile(keyPath, `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`, { mode: 0o600 });
  await writeFile(certPath, `${cert.toString('pem')}\n`, { mode: 0o644 });
}
