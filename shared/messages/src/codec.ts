import { decodeCbor, decodeCborInPlace, encodeCborUnsorted } from '@muster/protocol';
import type { CallStatus, CallStatusRequest, StreamChange, StreamChanged } from './api-messages.js';
import type { CommandBusMessage } from './command-messages.js';
import type { CommandReply, CommandRequest } from './command-requests.js';
import type { MetricsBusMessage } from './metrics-messages.js';
import type { GatewayHeartbeat, GatewayReply, GatewayRequest } from './gateway-messages.js';
import type {
  CoordinatorHeartbeat,
  GatewayUpdate,
  HuntStart,
  HuntTermsRequest,
  HuntUnknown,
  QueryStart,
  QueryStop,
} from './query-messages.js';
import type { QueryReply, QueryRequest, ReduceStop } from './query-requests.js';
import type {
  PackChecksReply,
  PackChecksRequest,
  PostureHeartbeat,
  PostureReply,
  PostureRequest,
} from './posture-requests.js';
import type { RequestTerms } from './request-terms.js';
import type { TelemetryReply, TelemetryRequest } from './telemetry-requests.js';

/** Requests of the API to query, command, telemetry and posture services, and their replies. */
export type ServiceMessage =
  | (QueryRequest & RequestTerms)
  | QueryReply
  | (CommandRequest & RequestTerms)
  | CommandReply
  | (TelemetryRequest & RequestTerms)
  | TelemetryReply
  | (PostureRequest & RequestTerms)
  | PostureReply;

/** Everything that services say to each other live. */
export type LiveMessage =
  | QueryStart
  | QueryStop
  | HuntStart
  | HuntTermsRequest
  | HuntUnknown
  | GatewayUpdate
  | CoordinatorHeartbeat
  | ReduceStop
  | CallStatusRequest
  | CallStatus
  | StreamChange
  | StreamChanged
  | GatewayHeartbeat
  | GatewayRequest
  | GatewayReply
  | CommandBusMessage
  | MetricsBusMessage
  | PackChecksRequest
  | PackChecksReply
  | PostureHeartbeat
  | ServiceMessage;

export function encodeBusMessage(message: LiveMessage): Uint8Array {
  return encodeCborUnsorted(message);
}

/**
 * The message, or `undefined` when the bytes are no CBOR map or its `t` is not one of `kinds`; the caller counts and drops those.
 * Senders are trusted peers of the same deployment, at most one version apart, so other members are not checked.
 */
export function decodeBusMessage<T extends { readonly t: string }>(
  bytes: Uint8Array,
  ...kinds: readonly T['t'][]
): T | undefined {
  return decodeOneOf(decodeCbor, bytes, kinds);
}

/** As {@link decodeBusMessage}, but byte strings are views of `bytes`: for a reader that keeps none of them. */
export function decodeBusMessageInPlace<T extends { readonly t: string }>(
  bytes: Uint8Array,
  ...kinds: readonly T['t'][]
): T | undefined {
  return decodeOneOf(decodeCborInPlace, bytes, kinds);
}

function decodeOneOf<T extends { readonly t: string }>(
  decode: (bytes: Uint8Array) => unknown,
  bytes: Uint8Array,
  kinds: readonly T['t'][],
): T | undefined {
  try {
    const value = decode(bytes) as T | null;
    if (typeof value !== 'object' || value === null || !kinds.includes(value.t)) return undefined;
    return value;
  } catch {
    return undefined;
  }
}

/** Reads a request or a reply. Throws on bytes that are no CBOR map: inside one deployment that is a bug. */
export function decodeServiceMessage<T extends ServiceMessage>(bytes: Uint8Array): T {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null) throw new TypeError('not a service message');
  return value as T;
}
