import { X509Certificate } from 'node:crypto';
import { type DerElement, readDer, readOid, TAG } from './der.js';
import { onelineName, readNames, valueOf } from './distinguished-name.js';

/** Fields that Node's X509Certificate does not have (RFC 5280). */
interface Details extends ReturnType<typeof readNames> {
  readonly signatureAlgorithm: string;
  readonly keyUsage: readonly string[];
  readonly subjectKeyId: string;
  readonly authorityKeyId: string;
}

const SIGNATURES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.4': 'md5WithRSAEncryption',
  '1.2.840.113549.1.1.5': 'sha1WithRSAEncryption',
  '1.2.840.113549.1.1.10': 'rsassaPss',
  '1.2.840.113549.1.1.11': 'sha256WithRSAEncryption',
  '1.2.840.113549.1.1.12': 'sha384WithRSAEncryption',
  '1.2.840.113549.1.1.13': 'sha512WithRSAEncryption',
  '1.2.840.10045.4.1': 'ecdsa-with-SHA1',
  '1.2.840.10045.4.3.2': 'ecdsa-with-SHA256',
  '1.2.840.10045.4.3.3': 'ecdsa-with-SHA384',
  '1.2.840.10045.4.3.4': 'ecdsa-with-SHA512',
  '1.3.101.112': 'ED25519',
  '1.3.101.113': 'ED448',
};

const EXTENSION = { subjectKeyId: '2.5.29.14', keyUsage: '2.5.29.15', authorityKeyId: '2.5.29.35' } as const;

/** Bits of the key usage extension with osquery's names, in its sequence: the last bit of the first byte comes first. */
const KEY_USAGES = [
  [7, 'Encipher Only'],
  [6, 'CRL Sign'],
  [5, 'Key Cert Sign'],
  [4, 'Key Agreement'],
  [3, 'Data Encipherment'],
  [2, 'Key Encipherment'],
  [1, 'Non Repudiation'],
  [0, 'Digital Signature'],
  [8, 'Decipher Only'],
] as const;

/** OpenSSL's long names of what Node calls the types of keys. */
const KEY_ALGORITHMS: Readonly<Record<string, string>> = {
  rsa: 'rsaEncryption',
  'rsa-pss': 'rsassaPss',
  dsa: 'dsaEncryption',
  ec: 'id-ecPublicKey',
  ed25519: 'ED25519',
  ed448: 'ED448',
  x25519: 'X25519',
  x448: 'X448',
};

const PEM = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** Table rows for the certificates of a PEM text, without `path`. Skips invalid certificates. */
export function parseCertificates(pem: string): Record<string, string | number | undefined>[] {
  return Array.from(pem.matchAll(PEM)).flatMap(([block]) => {
    try {
      return [certificateRow(new X509Certificate(block))];
    } catch {
      return [];
    }
  });
}

function certificateRow(certificate: X509Certificate): Record<string, string | number | undefined> {
  const subject = certificate.subject.split('\n');
  const issuer = certificate.issuer.split('\n');
  const details = readDetails(certificate.raw);
  return {
    common_name: valueOf(details.subject, 'CN') ?? '',
    subject: onelineName(details.subject),
    subject2: subject.join(', '),
    issuer: onelineName(details.issuer),
    issuer2: issuer.join(', '),
    ca: certificate.ca ? 1 : 0,
    self_signed: certificate.subject === certificate.issuer ? 1 : 0,
    not_valid_before: Date.parse(certificate.validFrom) / 1000,
    not_valid_after: Date.parse(certificate.validTo) / 1000,
    signing_algorithm: details.signatureAlgorithm,
    key_usage: details.keyUsage.join(', '),
    subject_key_id: details.subjectKeyId,
    authority_key_id: details.authorityKeyId,
    sha1: certificate.fingerprint.replaceAll(':', '').toLowerCase(),
    serial: certificate.serialNumber,
    ...keyColumns(certificate),
  };
}

/** Node may not know the type of the key. The certificate is still returned. */
function keyColumns(certificate: X509Certificate): { key_algorithm?: string; key_strength?: string } {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
    const strength = details?.namedCurve ?? details?.modulusLength;
    return {
      key_algorithm: KEY_ALGORITHMS[type ?? ''] ?? type ?? '',
      key_strength: strength === undefined ? '' : String(strength),
    };
  } catch {
    return {};
  }
}

function readDetails(raw: Buffer): Details {
  const [body, algorithm] = readDer(readDer(raw)[0]?.content ?? Buffer.alloc(0));
  const oid = readOid(readDer(algorithm?.content ?? Buffer.alloc(0))[0]?.content ?? Buffer.alloc(0));
  const elements = readDer(body?.content ?? Buffer.alloc(0));
  const extensions = readExtensions(elements);
  const subjectKey = extensions.get(EXTENSION.subjectKeyId);
  const authorityKey = extensions.get(EXTENSION.authorityKeyId);
  const parts = authorityKey === undefined ? [] : readDer(readDer(authorityKey)[0]?.content ?? Buffer.alloc(0));
  return {
    ...readNames(elements),
    signatureAlgorithm: SIGNATURES[oid] ?? oid,
    keyUsage: readKeyUsage(extensions.get(EXTENSION.keyUsage)),
    subjectKeyId: subjectKey === undefined ? '' : (readDer(subjectKey)[0]?.content.toString('hex') ?? ''),
    authorityKeyId: parts.find((part) => part.tag === TAG.context0)?.content.toString('hex') ?? '',
  };
}

function readExtensions(body: readonly DerElement[]): Map<string, Buffer> {
  const wrapper = body.find((element) => element.tag === TAG.context3);
  const list = wrapper === undefined ? [] : readDer(readDer(wrapper.content)[0]?.content ?? Buffer.alloc(0));
  const extensions = new Map<string, Buffer>();
  for (const { content } of list) {
    const parts = readDer(content);
    const oid = parts.find((part) => part.tag === TAG.oid);
    const value = parts.find((part) => part.tag === TAG.octetString);
    if (oid !== undefined && value !== undefined) extensions.set(readOid(oid.content), value.content);
  }
  return extensions;
}

function readKeyUsage(extension: Buffer | undefined): string[] {
  const bits = extension === undefined ? undefined : readDer(extension)[0]?.content;
  if (bits === undefined) return [];
  // The first byte is the number of unused bits in the last one.
  return KEY_USAGES.flatMap(([bit, name]) => (((bits[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) === 0 ? [] : [name]));
}
