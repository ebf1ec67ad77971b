import { client } from '../api/client.js';
import type { TimeFormat } from '../preferences/time.js';
import { csvLine } from '../rows/csv.js';

/** All endpoints that match, as CSV. Times are in the zone that is set, which the head names. */
export async function agentsCsv(selector: string, time: TimeFormat): Promise<Blob> {
  const head = ['agent_id', 'host', 'state', 'os', 'os_name', 'os_version', 'arch', 'agent_version', 'labels'];
  const parts = [csvLine([...head, `enrolled (${time.zone})`, `last seen (${time.zone})`])];
  for await (const agent of client.items('GET /v1/agents', { query: { selector }, pageSize: 1_000 })) {
    const labels = Object.entries(agent.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(' ');
    const { presence, enrolledAt } = agent;
    const facts = [agent.os, agent.osName, agent.osVersion, agent.arch, agent.agentVersion, labels];
    const seen = presence.lastSeenAt === undefined ? null : time.full(presence.lastSeenAt);
    parts.push(csvLine([agent.agentId, agent.host, presence.state, ...facts, time.full(enrolledAt), seen]));
  }
  return new Blob(parts, { type: 'text/csv' });
}
