import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '@muster/local';
import { encodeCbor, type CommandId } from '@muster/protocol';
import {
  decodeQueryRecord,
  AnswerBlockWriter,
  STREAM_SUBJECTS,
  STREAMS,
  verifyChain,
  type ChainLink,
  type QueryRecord,
} from '@muster/records';
import { ApiHarness, type ApiProcess } from './testing/api-harness.js';
import { eventually } from '@muster/runtime/testing';
import { ORG } from './testing/api-fixture.js';

// Each test starts whole processes, on machines that may be busy.

let harness: ApiHarness;
let api: ApiProcess;
beforeAll(async () => {
  harness = await ApiHarness.open();
  api = await harness.startApi();
});
afterAll(() => harness.close());

async function start(): Promise<QueryRecord> {
  const { text, status } = await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT name, pid FROM processes' } });
  expect(status).toBe(201);
  const { id } = JSON.parse(text) as { id: string };
  const entry = await harness.broker.streams.last(
    STREAMS.queries.name,
    STREAM_SUBJECTS.query('default' as never, id as never),
  );
  return decodeQueryRecord(entry?.data ?? new Uint8Array()) as QueryRecord;
}

/** The text of a stream so far, and a promise of its end. */
function watch(stream: IncomingMessage) {
  const viewer = { text: '', closed: new Promise((resolve) => stream.on('close', resolve)) };
  stream.on('data', (part: Buffer) => (viewer.text += part.toString()));
  stream.on('error', () => undefined);
  return viewer;
}

describe('the API on a real broker', () => {
  test('starts, streams and pages a query, and audits it', async () => {
    const record = await start();
    const stream = await api.open('GET', `/v1/queries/${record.id}/events`);
    const viewer = watch(stream);
    await eventually(() => viewer.text.includes('event: started'));
    const block = new AnswerBlockWriter();
    block.add(1, encodeCbor(['bash', 1]));
    await harness.service.emit(record, { t: 'rows', answers: block.bytes() });
    await eventually(() => viewer.text.includes('event: rows'));
    await harness.service.end(record);
    await viewer.closed;
    expect(viewer.text).toContain('event: ended');
    const rows = JSON.parse((await api.ask('GET', `/v1/queries/${record.id}/rows`)).text) as { items: unknown[] };
    expect(rows.items).toEqual([{ num: 1, agentId: null, host: null, values: ['bash', 1] }]);
    await eventually(async () => (await api.ask('GET', '/v1/audit?action=query.start')).text.includes(record.id));
  });

  test('two API processes share idempotency keys, tokens and revocations', async () => {
    const second = await harness.startApi();
    const once = { body: { sql: 'SELECT 1' }, key: 'once' };
    const [here, there] = [await api.ask('POST', '/v1/queries', once), await second.ask('POST', '/v1/queries', once)];
    expect([here.status, there]).toEqual([201, here]);
    const { status, text } = await second.ask('POST', '/v1/tokens', { body: { name: 'both', role: 'viewer' } });
    expect(status).toBe(201);
    const { tokenId } = JSON.parse(text) as { tokenId: string };
    // The other process learns of it from the stream.
    await eventually(async () => (await api.ask('GET', '/v1/tokens')).text.includes(tokenId));
    expect((await api.ask('DELETE', `/v1/tokens/${tokenId}`)).status).toBe(204);
    await eventually(async () => (await second.ask('GET', '/v1/tokens')).text.includes('"revoked"'));
    expect(await second.process.stop()).toBe(0);
  });

  test('a command is submitted once through two processes, one of which dies before it answers; both follow its journal', async () => {
    const second = await harness.startApi();
    const once = {
      body: { action: 'process.kill', params: { name: 'abc.exe' }, target: { selector: '' } },
      key: 'kill',
    };
    // The command is made, and the process that was asked never gets the reply.
    harness.commands.held = new Promise(() => undefined);
    const lost = second.ask('POST', '/v1/commands', once).catch((error: unknown) => error);
    await eventually(() => harness.commands.asked.some(({ t }) => t === 'submit'));
    void second.process.kill();
    await lost;
    harness.commands.held = undefined;
    const { status, text } = await api.ask('POST', '/v1/commands', once);
    const command = JSON.parse(text) as { id: CommandId; repeated: boolean };
    expect([status, command.repeated]).toEqual([202, true]);
    expect(JSON.parse((await api.ask('GET', '/v1/commands')).text)).toMatchObject({ items: [{ id: command.id }] });

    const third = await harness.startApi();
    const viewers = await Promise.all(
      [api, third].map(async (process) => watch(await process.open('GET', `/v1/commands/${command.id}/events`))),
    );
    for (const viewer of viewers) await eventually(() => viewer.text.includes('event: ledger'));
    await harness.commands.settle({ ...command, org: ORG }, 'succeeded', [1], { message: 'killed' });
    await harness.commands.settle({ ...command, org: ORG }, 'expired', [2, 3]);
    for (const viewer of viewers) await viewer.closed;
    expect(viewers[0]?.text).toContain('event: ended');
    expect(viewers[1]?.text).toBe(viewers[0]?.text);
    expect(await third.process.stop()).toBe(0);
  });

  test('several processes write one audit chain, and serve it as stored', async () => {
    const second = await harness.startApi();
    const token = (i: number) => ({ body: { name: `chain ${i}`, role: 'viewer' } });
    const made = await Promise.all(
      Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? api : second).ask('POST', '/v1/tokens', token(i))),
    );
    expect(made.every(({ status }) => status === 201)).toBe(true);
    // Its pending records are written before it ends.
    expect(await second.process.stop()).toBe(0);
    const links = async () =>
      (await api.ask('GET', '/v1/audit/chain')).text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as ChainLink);
    const ofTokens = (all: readonly ChainLink[]) =>
      all.filter(({ record }) => String(record.details?.['name']).startsWith('chain '));
    await eventually(async () => ofTokens(await links()).length === 60);
    expect(verifyChain(await links())).toMatchObject({ unchained: 0, cut: false, faults: [] });
  });

  test('is ready and serves metrics', async () => {
    expect((await api.health('/readyz')).status).toBe(200);
    const { text } = await api.health('/metrics');
    expect(text).toContain('muster_api_request_duration_seconds_bucket');
    expect(text).not.toMatch(/\bq[0-9a-z]{26}\b/);
  });

  test('starts without Redis, and then says unknown', async () => {
    const without = await harness.startApi({ MUSTER_REDIS_URL: 'redis://127.0.0.1:1' });
    expect((await without.health('/readyz')).status).toBe(200);
    const counts = JSON.parse((await without.ask('GET', '/v1/agents?counts=os')).text) as { counts: object };
    expect(counts.counts).toMatchObject({ total: 0, live: null, offline: null });
    expect(await without.process.stop()).toBe(0);
  });

  test('keeps secrets out of its log', () => {
    expect(api.process.output).toContain('"starting"');
    expect(api.process.output).not.toContain(harness.token);
  });

  test('serves TLS with a certificate', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'muster-api-'));
    const files = await ensureCertificates(join(folder, 'tls'));
    const secure = await harness.startApi({ MUSTER_TLS_CERT_FILE: files.certPath, MUSTER_TLS_KEY_FILE: files.keyPath });
    const ca = await readFile(files.caPath, 'utf8');
    expect((await secure.ask('GET', '/v1/me', { ca })).status).toBe(200);
    await expect(secure.ask('GET', '/v1/me')).rejects.toMatchObject({ code: 'ECONNRESET' });
    // Another authority's certificate, without a restart.
    const next = await ensureCertificates(join(folder, 'next'));
    await copyFile(next.keyPath, files.keyPath);
    await copyFile(next.certPath, files.certPath);
    const nextCa = await readFile(next.caPath, 'utf8');
    await eventually(
      async () => (await secure.ask('GET', '/v1/me', { ca: nextCa })).status === 200,
      'the next one',
      60_000,
    );
    expect(await secure.process.stop()).toBe(0);
    await rm(folder, { recursive: true });
  });

  test('ends event streams when it stops, so that viewers resume elsewhere', async () => {
    const second = await harness.startApi();
    const record = await start();
    const stream = await second.open('GET', `/v1/queries/${record.id}/events`);
    const viewer = watch(stream);
    await eventually(() => viewer.text.includes('event: started'));
    expect(await second.process.stop()).toBe(0);
    await viewer.closed;
    await harness.service.end(record);
    const id = /^id: (\d+)$/m.exec(viewer.text)?.[1];
    expect((await api.ask('GET', `/v1/queries/${record.id}/events?after=${id}`)).text).toContain('event: ended');
  });

  test('survives a restart of the broker, and so do its event streams', async () => {
    const record = await start();
    const stream = await api.open('GET', `/v1/queries/${record.id}/events`);
    const viewer = watch(stream);
    await eventually(() => viewer.text.includes('event: started'));
    await harness.brokers.nats.kill9();
    await eventually(async () => (await api.health('/readyz')).status === 503);
    expect((await api.health('/healthz')).status).toBe(200);
    expect((await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } })).status).toBe(503);
    await harness.brokers.nats.restart();
    await eventually(async () => (await api.health('/readyz')).status === 200, 'the return of the broker');
    await eventually(
      async () =>
        (await harness.service
          .emit(record, { t: 'progress', ledger: record.ledger, elapsedMs: 1, gateways: 1 })
          .catch(() => 0)) > 0,
    );
    await harness.service.end(record);
    await viewer.closed;
    expect(viewer.text).toContain('event: progress');
    expect(viewer.text).toContain('event: ended');
  });
});
