import { createPrivateKey, type KeyObject } from 'node:crypto';

/** What a private key file tells without its passphrase. */
export interface PrivateKeyInfo {
  readonly encrypted: boolean;
  /** `rsa`, `dsa`, `ec`, `ed25519` or another; empty where it cannot be told. */
  readonly type: string;
  readonly group: string;
  /** -1 where it cannot be told. */
  readonly bits: number;
}

const BEGIN = /^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s*$/m;

/** `undefined` when the text has no private key in PEM. */
export function parsePrivateKey(text: string): PrivateKeyInfo | undefined {
  const begin = BEGIN.exec(text);
  if (begin === null) return undefined;
  if (begin[0].includes('OPENSSH')) return openSshKey(text.slice(begin.index + begin[0].length)) ?? unknown(false);
  if (begin[0].includes('ENCRYPTED') || /^Proc-Type: 4,ENCRYPTED/m.test(text)) return unknown(true);
  try {
    return nodeKey(createPrivateKey(text.slice(begin.index)));
  } catch {
    return unknown(false);
  }
}

const unknown = (encrypted: boolean): PrivateKeyInfo => ({ encrypted, type: '', group: '', bits: -1 });

function nodeKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): PrivateKeyInfo {
  const type = asymmetricKeyType ?? '';
  const group = asymmetricKeyDetails?.namedCurve ?? '';
  const bits = asymmetricKeyDetails?.modulusLength ?? CURVE_BITS.get(group || type) ?? -1;
  return { encrypted: false, type, group, bits };
}

const CURVE_BITS: ReadonlyMap<string, number> = new Map([
  ...([
    ['prime256v1', 256],
    ['secp384r1', 384],
    ['secp521r1', 521],
    ['secp256k1', 256],
  ] as const),
  ...([
    ['ed25519', 256],
    ['ed448', 448],
    ['x25519', 256],
    ['x448', 448],
  ] as const),
]);

const CURVES: ReadonlyMap<string, string> = new Map([
  ['nistp256', 'prime256v1'],
  ['nistp384', 'secp384r1'],
  ['nistp521', 'secp521r1'],
]);

const MAGIC = 'openssh-key-v1\0';

/** PROTOCOL.key of OpenSSH: the cipher and the public key are before what is encrypted. */
function openSshKey(armoured: string): PrivateKeyInfo | undefined {
  const end = armoured.indexOf('-----END');
  const bytes = Buffer.from(armoured.slice(0, end < 0 ? undefined : end), 'base64');
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  const outer = fields(bytes, MAGIC.length, 3);
  const cipher = outer?.values[0]?.toString('latin1');
  if (outer === undefined || cipher === undefined) return undefined;
  const encrypted = cipher !== 'none';
  const key = fields(bytes, outer.end + 4, 1)?.values[0];
  const parts = key === undefined ? undefined : fields(key, 0, 1);
  const name = parts?.values[0]?.toString('latin1');
  if (key === undefined || parts === undefined || name === undefined) return { ...unknown(encrypted) };
  return { encrypted, ...describeKey(name, key, parts.end) };
}

function describeKey(name: string, key: Buffer, at: number): Omit<PrivateKeyInfo, 'encrypted'> {
  if (name === 'ssh-rsa') return { type: 'rsa', group: '', bits: bitLength(fields(key, at, 2)?.values[1]) };
  if (name === 'ssh-dss') return { type: 'dsa', group: '', bits: bitLength(fields(key, at, 1)?.values[0]) };
  if (/^(sk-)?ssh-ed25519/.test(name)) return { type: 'ed25519', group: '', bits: 256 };
  const curve = CURVES.get(/^(?:sk-)?ecdsa-sha2-(nistp\d+)/.exec(name)?.[1] ?? '') ?? '';
  return curve === ''
    ? { type: '', group: '', bits: -1 }
    : { type: 'ec', group: curve, bits: CURVE_BITS.get(curve) ?? -1 };
}

function bitLength(number: Buffer | undefined): number {
  if (number === undefined) return -1;
  let zeros = 0;
  while (zeros < number.length && number[zeros] === 0) zeros += 1;
  const first = number[zeros];
  return first === undefined ? -1 : (number.length - zeros - 1) * 8 + (32 - Math.clz32(first));
}

/** Byte strings with their length before them (RFC 4251 §5). `undefined` when they are not all there. */
function fields(bytes: Buffer, start: number, count: number): { values: Buffer[]; end: number } | undefined {
  const values: Buffer[] = [];
  let at = start;
  for (let i = 0; i < count; i += 1) {
    if (at + 4 > bytes.length) return undefined;
    const from = at + 4;
    at = from + bytes.readUInt32BE(at);
    if (at > bytes.length) return undefined;
    values.push(bytes.subarray(from, at));
  }
  return { values, end: at };
}

/** NIST SP 800-57 part 1, table 2, as OpenSSL rounds it; -1 where it cannot be told. */
export function securityBits({ type, bits }: PrivateKeyInfo): number {
  if (bits < 0) return -1;
  if (type === 'ec' || type === 'ed25519' || type === 'x25519') return bits >= 521 ? 256 : bits >> 1;
  const levels = [
    [15_360, 256],
    [7_680, 192],
    [3_072, 128],
    [2_048, 112],
    [1_024, 80],
  ] as const;
  return levels.find(([least]) => bits >= least)?.[1] ?? 0;
}
