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

interface StreamDetail {
  readonly name: string;
  readonly state: { readonly bytes: number; readonly messages: number };
}
interface JetStreamReport {
  readonly account_details?: readonly { readonly stream_detail?: readonly StreamDetail[] }[];
}

/** The size of the command journal on disk, as the broker counts it. */
export async function journalSize(monitorUrl: string): Promise<{ readonly bytes: number; readonly messages: number }> {
  const response = await fetch(new URL('/jsz?streams=true&accounts=true', monitorUrl));
  const report = (await response.json()) as JetStreamReport;
  const streams = report.account_details?.flatMap(({ stream_detail }) => stream_detail ?? []) ?? [];
  const journal = streams.find(({ name }) => name === 'MUSTER_COMMANDS');
  if (journal === undefined) throw new Error('the broker has no journal of commands');
  return journal.state;
}
