declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** An agent's id: 24 characters of lowercase base32 (RFC 4648 without padding) over the first bytes of its public key's SHA-256. */
export type AgentId = Brand<string, 'AgentId'>;
/** A tenant's name: `[a-z0-9][a-z0-9-]{0,62}`. */
export type OrgId = Brand<string, 'OrgId'>;
/** A query's id: `q` and 26 characters that sort by time of creation. */
export type QueryId = Brand<string, 'QueryId'>;
/** A command's id: `c` and 26 characters that sort by time of creation. */
export type CommandId = Brand<string, 'CommandId'>;
/** One incarnation of a gateway: new at every start, and after the gateway was fenced. */
export type GatewayId = Brand<string, 'GatewayId'>;
/** One incarnation of a query service. */
export type CoordinatorId = Brand<string, 'CoordinatorId'>;
/** One incarnation of a command service. */
export type CommandServiceId = Brand<string, 'CommandServiceId'>;
export type TelemetryServiceId = Brand<string, 'TelemetryServiceId'>;
export type PostureServiceId = Brand<string, 'PostureServiceId'>;

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
// Crockford's alphabet, lower case: its characters are in the order of their values, so ids sort by time.
const SORTABLE = '0123456789abcdefghjkmnpqrstvwxyz';

/** Lowercase RFC 4648 base32 without padding. */
export function base32(bytes: Uint8Array): string {
  let out = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      out += BASE32.charAt((value >>> (bits - 5)) & 31);
      bits -= 5;
    }
  }
  return bits > 0 ? out + BASE32.charAt((value << (5 - bits)) & 31) : out;
}

/** True for the text form of an agent id; does not check whether the agent exists. */
export function isAgentId(text: string): text is AgentId {
  return /^[a-z2-7]{24}$/.test(text);
}

export function isOrgId(text: string): text is OrgId {
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(text);
}

export function isQueryId(text: string): text is QueryId {
  return /^q[0-9a-hjkmnp-tv-z]{26}$/.test(text);
}

export function isCommandId(text: string): text is CommandId {
  return /^c[0-9a-hjkmnp-tv-z]{26}$/.test(text);
}

export function newGatewayId(): GatewayId {
  return `gw-${base32(randomBytes(7)).slice(0, 10)}` as GatewayId;
}

export function newCoordinatorId(): CoordinatorId {
  return `q-${base32(randomBytes(7)).slice(0, 10)}` as CoordinatorId;
}

export function newCommandServiceId(): CommandServiceId {
  return `cs-${base32(randomBytes(7)).slice(0, 10)}` as CommandServiceId;
}

export function newTelemetryServiceId(): TelemetryServiceId {
  return `ts-${base32(randomBytes(7)).slice(0, 10)}` as TelemetryServiceId;
}

export function newPostureServiceId(): PostureServiceId {
  return `ps-${base32(randomBytes(7)).slice(0, 10)}` as PostureServiceId;
}

export function newQueryId(nowMs: number): QueryId {
  return `q${sortableId(nowMs)}` as QueryId;
}

export function newCommandId(nowMs: number): CommandId {
  return `c${sortableId(nowMs)}` as CommandId;
}

/** When the id of a query or a command was made, in milliseconds since 1970. */
export function idTimeMs(id: QueryId | CommandId): number {
  let time = 0;
  for (const character of id.slice(1, 11)) time = time * 32 + Math.max(0, SORTABLE.indexOf(character));
  return time;
}

/** The first of all ids of that millisecond and later: `q` for queries, `c` for commands. Times before 1970 count as 1970. */
export function firstIdAt(kind: 'q' | 'c', timeMs: number): string {
  return `${kind}${sortableTime(Math.min(Math.max(0, timeMs), 2 ** 48 - 1))}${'0'.repeat(16)}`;
}

function sortableTime(timeMs: number): string {
  let time = '';
  for (let rest = timeMs, i = 0; i < 10; i += 1) {
    time = SORTABLE.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  return time;
}

/** 48 bits of milliseconds, then 80 random bits (the layout of a ULID). */
function sortableId(nowMs: number): string {
  const time = sortableTime(nowMs);
  let tail = '';
  for (const byte of randomBytes(16)) tail += SORTABLE.charAt(byte & 31);
  return time + tail;
}

function randomBytes(size: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(size));
}
