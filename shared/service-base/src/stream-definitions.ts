import type { StreamDefinition } from '@muster/bus';
import { STREAMS } from '@muster/records';

/** What an installation sets of its streams. `undefined`: no bound of its own; for `streamReplicas`: as it is. */
export interface StreamBounds {
  readonly streamResultsBytes: number;
  readonly streamResultsAgeMs: number;
  readonly streamQueriesBytes: number | undefined;
  readonly streamQueriesAgeMs: number;
  readonly streamAuditBytes: number | undefined;
  readonly streamAuditAgeMs: number;
  readonly streamIdempotencyBytes: number;
  readonly streamReplicas: number | undefined;
}

/**
 * The streams with the bounds of this installation. Identities, commands and operator tokens have none that can be set:
 * an entry of them that counts is never dropped, so only the room of the broker bounds them.
 */
export function streamDefinitions(bounds: StreamBounds): readonly StreamDefinition[] {
  const all: readonly StreamDefinition[] = Object.values({
    ...STREAMS,
    results: { ...STREAMS.results, maxBytes: bounds.streamResultsBytes, maxAgeMs: bounds.streamResultsAgeMs },
    queries: { ...STREAMS.queries, ...bytes(bounds.streamQueriesBytes), maxAgeMs: bounds.streamQueriesAgeMs },
    audit: { ...STREAMS.audit, ...bytes(bounds.streamAuditBytes), maxAgeMs: bounds.streamAuditAgeMs },
    idempotency: { ...STREAMS.idempotency, maxBytes: bounds.streamIdempotencyBytes },
  });
  const { streamReplicas: replicas } = bounds;
  return replicas === undefined ? all : all.map((stream) => ({ ...stream, replicas }));
}

/** What the broker must have room for before it creates them. */
export function reservedBytes(streams: readonly StreamDefinition[]): number {
  return streams.reduce((sum, { maxBytes = 0 }) => sum + maxBytes, 0);
}

/** What to do where the broker has no room for them. */
export function needsRoom(streams: readonly StreamDefinition[]): string {
  const mib = Math.ceil(reservedBytes(streams) / 1024 ** 2);
  return `the streams reserve ${mib} MiB in sum: give NATS more, or bound them lower with MUSTER_STREAM_RESULTS_BYTES and its like`;
}

function bytes(maxBytes: number | undefined): { readonly maxBytes?: number } {
  return maxBytes === undefined ? {} : { maxBytes };
}
