/** Everything that the broker has received so far. */
export interface Traffic {
  readonly messages: number;
  readonly bytes: number;
}

/** Reads nats-server's own counters, which include everything that any client published. */
export async function natsTraffic(monitorUrl: string): Promise<Traffic> {
  const response = await fetch(new URL('/varz', monitorUrl));
  const { in_msgs: messages, in_bytes: bytes } = (await response.json()) as { in_msgs: number; in_bytes: number };
  return { messages, bytes };
}

export function trafficBetween(before: Traffic, after: Traffic): Traffic {
  return { messages: after.messages - before.messages, bytes: after.bytes - before.bytes };
}
