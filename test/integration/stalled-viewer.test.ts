import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startHarness, type Harness, fleetOptions } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';

const MIB = 2 ** 20;
const AGENTS = 40;
const ROWS = 1_200;
/** A thousand characters each: one viewer gets 48 MB. */
const SQL = `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ${ROWS}) SELECT x, hex(zeroblob(500)) AS filler FROM c`;
const TOTAL_BYTES = AGENTS * ROWS * 1_000;
const STALLED = 8;
/** The memory that a stalled viewer may cost: prefetched rows and a slice of text, with garbage, which RSS includes. */
const BYTES_PER_STALLED = 10 * MIB;

describe('viewers of a large raw query that stop reading', () => {
  let harness: Harness;
  let fleet: Fleet;
  const stalled: IncomingMessage[] = [];

  beforeAll(async () => {
    harness = await startHarness();
    fleet = new Fleet({ ...fleetOptions(harness), agents: AGENTS, behaviour: { slow: 1 }, slowMs: 2_000 });
    await fleet.start();
  });
  afterAll(async () => {
    for (const response of stalled) response.destroy();
    await fleet.stop();
    await harness.close();
  });

  /** A viewer that reads the response head and then stops reading. */
  async function stall(id: string): Promise<IncomingMessage> {
    const sent = request(`${harness.stack.apiUrl}/v1/queries/${id}/events`, {
      agent: false,
      headers: { authorization: `Bearer ${harness.stack.token}`, accept: 'text/event-stream' },
    });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    return response.pause();
  }

  /** Runs the query and reads everything. Returns the bytes read and the API's highest memory meanwhile. */
  async function ask(stalledViewers: number) {
    const { id } = await harness.api.call('POST /v1/queries', { body: { sql: SQL, mode: 'raw', timeout: '60s' } });
    for (let i = 0; i < stalledViewers; i += 1) stalled.push(await stall(id));
    const rows = new Map<number, number>();
    let peak = 0;
    for await (const event of harness.api.events('GET /v1/queries/{id}/events', { params: { id } })) {
      peak = Math.max(peak, residentBytes(harness.stack.apis[0]!.pid));
      const answers = event.event === 'rows' ? event.answers : [];
      for (const answer of answers) rows.set(answer.num, (rows.get(answer.num) ?? 0) + answer.rows.length);
      if (event.event === 'ended') return { id, peak, rows, query: event.query };
    }
    throw new Error('the stream closed before the query ended');
  }

  it('cost the API a bounded amount of memory, while another viewer gets everything', async () => {
    // The cost of a viewer that reads, first: a heap that has grown does not shrink.
    const alone = await ask(0);
    const crowded = await ask(STALLED);
    for (const { rows, query } of [alone, crowded]) {
      expect(query.state).toBe('complete');
      expect([...rows.values()]).toEqual(Array.from({ length: AGENTS }, () => ROWS));
    }
    // They have stalled: the test did not read all of it, and kernel buffers cannot hold the rest.
    for (const { socket } of stalled) expect(socket.bytesRead).toBeLessThan(TOTAL_BYTES / 10);
    expect(STALLED * BYTES_PER_STALLED).toBeLessThan((STALLED * TOTAL_BYTES) / 4);
    expect(crowded.peak - alone.peak).toBeLessThan(STALLED * BYTES_PER_STALLED);
    expect(residentBytes(harness.stack.apis[0]!.pid) - alone.peak).toBeLessThan(STALLED * BYTES_PER_STALLED);
  });

  it('get everything when they continue to read', async () => {
    let text = '';
    let bytes = 0;
    for await (const chunk of stalled[0] as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      text = (text + chunk.toString('latin1')).slice(-4_096);
    }
    expect(bytes).toBeGreaterThan(TOTAL_BYTES);
    expect(text).toContain('event: ended');
  });
});

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}
