/** Among so many partitions the endpoints are shared out to telemetry services. */
export const METRICS_PARTITIONS = 32;

/** The partition of an endpoint, from 0: FNV-1a of its id. */
export function metricsPartition(agentId: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < agentId.length; i += 1) hash = Math.imul(hash ^ agentId.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % METRICS_PARTITIONS;
}
