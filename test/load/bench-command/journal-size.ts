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
