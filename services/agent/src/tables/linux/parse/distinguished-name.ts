import { type DerElement, readDer, readOid } from './der.js';

/** OpenSSL's short names of the types that names have (RFC 4519, RFC 5280, CA/Browser Forum). */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.13': 'description',
  '2.5.4.15': 'businessCategory',
  '2.5.4.17': 'postalCode',
  '2.5.4.41': 'name',
  '2.5.4.42': 'GN',
  '2.5.4.43': 'initials',
  '2.5.4.44': 'generationQualifier',
  '2.5.4.46': 'dnQualifier',
  '2.5.4.65': 'pseudonym',
  '2.5.4.97': 'organizationIdentifier',
  '1.2.840.113549.1.9.1': 'emailAddress',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.3.6.1.4.1.311.60.2.1.1': 'jurisdictionL',
  '1.3.6.1.4.1.311.60.2.1.2': 'jurisdictionST',
  '1.3.6.1.4.1.311.60.2.1.3': 'jurisdictionC',
};

/** One type and value of a distinguished name. */
interface NamePart {
  readonly type: string;
  readonly tag: number;
  readonly bytes: Buffer;
  /** It belongs to the same part of the name as the one before. */
  readonly isJoined: boolean;
}

/** Subject and issuer of a certificate's body. */
export function readNames(body: readonly DerElement[]): { readonly subject: NamePart[]; readonly issuer: NamePart[] } {
  const version = 0xa0;
  const first = body[0]?.tag === version ? 1 : 0;
  return { issuer: readName(body[first + 2]), subject: readName(body[first + 4]) };
}

function readName(name: DerElement | undefined): NamePart[] {
  if (name === undefined) return [];
  return readDer(name.content).flatMap(({ content: set }) =>
    readDer(set).flatMap(({ content }, i): NamePart[] => {
      const [oid, value] = readDer(content);
      if (oid === undefined || value === undefined) return [];
      const dotted = readOid(oid.content);
      return [{ type: SHORT_NAMES[dotted] ?? dotted, tag: value.tag, bytes: value.content, isJoined: i > 0 }];
    }),
  );
}

/** As X509_NAME_oneline(3) of OpenSSL 3 writes it, and osquery: bytes that are no printable ASCII are `\xNN`. */
export function onelineName(parts: readonly NamePart[]): string {
  const printable = (byte: number): boolean => byte >= 0x20 && byte <= 0x7e;
  const hex = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  return parts
    .map(({ type, bytes, isJoined }) => {
      const text = Array.from(bytes, (byte) => (printable(byte) ? String.fromCharCode(byte) : hex(byte))).join('');
      return `${isJoined ? '+' : '/'}${type}=${text.replaceAll(/[/+]/g, '\\$&')}`;
    })
    .join('');
}

/** The first value of this type as text. */
export function valueOf(parts: readonly NamePart[], type: string): string | undefined {
  const part = parts.find((one) => one.type === type);
  return part && textOf(part);
}

const BMP = 0x1e;
const UNIVERSAL = 0x1c;
const T61 = 0x14;

function textOf({ tag, bytes }: NamePart): string {
  if (tag === BMP)
    return Buffer.from(bytes)
      .subarray(0, bytes.length & ~1)
      .swap16()
      .toString('utf16le');
  if (tag === UNIVERSAL) {
    const points = Array.from({ length: bytes.length >> 2 }, (_, i) => bytes.readUInt32BE(i * 4));
    return String.fromCodePoint(...points.map((point) => (point > 0x10_ffff ? 0xfffd : point)));
  }
  return bytes.toString(tag === T61 ? 'latin1' : 'utf8');
}
