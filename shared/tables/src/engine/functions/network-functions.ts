import { createHash } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import type { SqlValue } from '@muster/protocol';
import { type SqlFunction, strict, text } from './sql-function.js';

/** 4 or 16 bytes, or nothing for what is no address. A zone (`%eth0`) does not count. */
function addressBytes(address: string): Buffer | undefined {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [plain = ''] = address.split('%');
  if (isIP(plain) !== 6) return undefined;
  // Writes IPv4 at the end in hexadecimal, too.
  const embedded = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain);
  const groups = embedded === null ? plain : `${embedded[1]}${hexPair(embedded, 2)}:${hexPair(embedded, 4)}`;
  const [head = '', tail] = groups.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const all = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0'));
  return Buffer.from(all.join(''), 'hex');
}

function hexPair(match: RegExpExecArray, from: number): string {
  return ((Number(match[from]) << 8) | Number(match[from + 1])).toString(16);
}

/** IPv4 networks do not contain their own address and their broadcast address, as in osquery; those of one address do. */
function isInBlock(cidr: SqlValue | undefined, address: SqlValue | undefined): SqlValue {
  if (typeof cidr !== 'string') throw new Error('CIDR must be a string');
  if (typeof address !== 'string') throw new Error('IP address must be a string');
  const [network = '', length = '', ...rest] = cidr.split('/');
  const family = isIP(network.split('%')[0] ?? '');
  const bits = family === 6 ? 128 : 32;
  if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > bits) {
    throw new Error(`CIDR for IP address v${cidr.includes(':') ? 6 : 4} cannot be parsed`);
  }
  if (isIP(address.split('%')[0] ?? '') !== family) throw new Error('IP address cannot be parsed');
  const prefix = Number(length);
  const ours = addressBytes(address);
  const theirs = addressBytes(network);
  if (ours === undefined || theirs === undefined) throw new Error('IP address cannot be parsed');
  const difference = toBigInt(ours) ^ toBigInt(theirs);
  if (difference >> BigInt(bits - prefix) !== 0n) return 0;
  if (family === 6 || prefix === 32) return 1;
  const host = toBigInt(ours) & ((1n << BigInt(32 - prefix)) - 1n);
  return host !== 0n && host !== (1n << BigInt(32 - prefix)) - 1n ? 1 : 0;
}

const toBigInt = (address: Buffer): bigint => BigInt(`0x${address.toString('hex')}`);

function ipv4ToInteger(address: string): SqlValue {
  return isIPv4(address) ? Number(toBigInt(Buffer.from(address.split('.').map(Number)))) : null;
}

const isWithin = (value: SqlValue | undefined, low: number, high: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;

/**
 * Community ID version 1 (https://github.com/corelight/community-id-spec): SHA-1 over seed, addresses, protocol and
 * ports, the smaller end first.
 * @throws what is wrong with the arguments
 */
function communityId(values: readonly SqlValue[]): string {
  const [source, destination, sourcePort, destinationPort, protocol, seed = 0] = values;
  if (typeof source !== 'string' || typeof destination !== 'string')
    throw new Error('Community ID IPs must be strings');
  const [from, to] = [addressBytes(source), addressBytes(destination)];
  if (from === undefined) throw new Error('Community ID saddr cannot be parsed as IP');
  if (to === undefined) throw new Error('Community ID daddr cannot be parsed as IP');
  if (!isWithin(sourcePort, 0, 0xffff) || !isWithin(destinationPort, 0, 0xffff)) {
    throw new Error('Community ID ports must be integers that fit in 2 bytes');
  }
  if (!isWithin(protocol, 0, 0xff)) throw new Error('Community ID protocol must be an integer that fits in 1 byte');
  if (!isWithin(seed, -0x8000, 0x7fff)) throw new Error('Community ID seed must be an integer that fits in 2 bytes');
  const [head, tail] = [Buffer.alloc(2), Buffer.alloc(6)];
  head.writeInt16BE(seed);
  // IPv4 comes before IPv6.
  const order = from.length - to.length || Buffer.compare(from, to);
  const isSwapped = order > 0 || (order === 0 && sourcePort > destinationPort);
  tail.writeUInt8(protocol, 0);
  tail.writeUInt16BE(isSwapped ? destinationPort : sourcePort, 2);
  tail.writeUInt16BE(isSwapped ? sourcePort : destinationPort, 4);
  const ends = isSwapped ? [to, from] : [from, to];
  const hash = createHash('sha1').update(Buffer.concat([head, ...ends, tail]));
  return `1:${hash.digest('base64')}`;
}

/** NULL instead of an error. */
function lenient(call: (values: readonly SqlValue[]) => SqlValue): (values: readonly SqlValue[]) => SqlValue {
  return (values) => {
    try {
      return call(values);
    } catch {
      return null;
    }
  };
}

export const NETWORK_FUNCTIONS: readonly SqlFunction[] = [
  { name: 'in_cidr_block', args: 2, call: ([cidr, address]) => isInBlock(cidr, address) },
  strict('inet_aton', 1, (address) => ipv4ToInteger(text(address))),
  ...[5, 6].flatMap((args) => [
    { name: 'community_id_v1', args, call: lenient(communityId) },
    { name: 'community_id_v1_strict', args, call: communityId },
  ]),
];
