import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectNats, type Broker } from '@muster/bus';
import { startNats, type NatsHandle } from '@muster/local/brokers';
import type { OrgId } from '@muster/protocol';
import {
  auditHash,
  decodeRecord,
  STREAM_SUBJECTS,
  STREAMS,
  verifyChain,
  type AuditRecord,
  type ChainLink,
} from '@muster/records';
import { silentLogger, systemClock } from '@muster/runtime';
import { AuditTrail } from './audit-trail.js';

// Thousands of appends, each acknowledged by the broker: slow on a busy machine.

const WRITERS = 4;
const EACH = 400;

describe('audit trails on nats', () => {
  let folder: string;
  let server: NatsHandle;
  const brokers: Broker[] = [];
  const connect = async (): Promise<Broker> => {
    const broker = await connectNats({ servers: [server.url], name: 'audit', logger: silentLogger });
    brokers.push(broker);
    return broker;
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-audit-'));
    server = await startNats({ dataDir: folder, logger: silentLogger });
    await (await connect()).streams.ensure(Object.values(STREAMS));
  });
  afterAll(async () => {
    await Promise.all(brokers.map((broker) => broker.stop()));
    await server.stop();
    await rm(folder, { recursive: true });
  });

  async function open(lost: { inc(): void }): Promise<AuditTrail> {
    const { streams } = await connect();
    const metrics = { auditLost: lost, auditSuppressed: { inc: () => undefined } };
    return new AuditTrail({ streams, clock: systemClock, logger: silentLogger, metrics, retryForMs: 600_000 });
  }
  async function links(org: OrgId): Promise<ChainLink[]> {
    const found: ChainLink[] = [];
    const subject = STREAM_SUBJECTS.audit(org);
    for await (const { seq, data } of brokers[0]!.streams.read(STREAMS.audit.name, { subject })) {
      found.push({ seq, record: decodeRecord<AuditRecord>(data), hash: auditHash(data) });
    }
    return found;
  }
  const write = (trail: AuditTrail, org: OrgId, writer: number, i: number): void =>
    trail.record({
      org,
      actor: `writer${writer}`,
      actorName: 'w',
      action: 'command.outcome',
      outcome: 'allowed',
      from: '-',
      details: { i },
    });
  async function secondsToFlush(trails: readonly AuditTrail[]): Promise<number> {
    const beginMs = performance.now();
    await Promise.all(trails.map((trail) => trail.flush()));
    return (performance.now() - beginMs) / 1_000;
  }
  function expectWhole(all: readonly ChainLink[], writers: number, each: number): void {
    expect(verifyChain(all)).toMatchObject({ records: writers * each, unchained: 0, cut: false, faults: [] });
    for (let writer = 0; writer < writers; writer += 1) {
      const mine = all.filter(({ record }) => record.actor === `writer${writer}`);
      expect(mine.map(({ record }) => record.details!['i'])).toEqual(Array.from({ length: each }, (_, i) => i));
    }
  }

  it('of several processes make one unbroken chain, with nothing lost, doubled or out of order', async () => {
    let lost = 0;
    const orgs = ['acme', 'globex'] as OrgId[];
    const count = { inc: () => void (lost += 1) };
    const trails = await Promise.all(Array.from({ length: WRITERS }, () => open(count)));
    for (let i = 0; i < EACH; i += 1) write(trails[0]!, 'alone' as OrgId, 0, i);
    const alonePerSecond = EACH / (await secondsToFlush(trails));
    for (let i = 0; i < EACH; i += 1) {
      trails.forEach((trail, writer) => orgs.forEach((org) => write(trail, org, writer, i)));
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const perSecond = (WRITERS * EACH * orgs.length) / (await secondsToFlush(trails));
    for (const org of orgs) expectWhole(await links(org), WRITERS, EACH);
    expect(lost).toBe(0);
    // Writers that wait for their turn after every conflict would be far slower than one writer alone.
    expect(perSecond).toBeGreaterThan(alonePerSecond / 10);
    await Promise.all(trails.map((trail) => trail.stop()));
  });

  it('let a writer with few records through while another one has many', async () => {
    const org = 'fair' as OrgId;
    const [busy, modest] = await Promise.all([open({ inc: () => undefined }), open({ inc: () => undefined })]);
    for (let i = 0; i < 3_000; i += 1) write(busy, org, 0, i);
    write(modest, org, 1, 0);
    await modest.flush();
    const at = (await links(org)).findIndex(({ record }) => record.actor === 'writer1');
    await busy.flush();
    await Promise.all([busy.stop(), modest.stop()]);
    expect(at).toBeGreaterThanOrEqual(0);
    expect((await links(org)).length).toBe(3_001);
    expect(at).toBeLessThan(2_900);
  });

  it('stay whole when the broker is killed in the middle and comes back', async () => {
    const org = 'outage' as OrgId;
    let lost = 0;
    const count = { inc: () => void (lost += 1) };
    const trails = await Promise.all([open(count), open(count)]);
    for (let i = 0; i < 300; i += 1) trails.forEach((trail, writer) => write(trail, org, writer, i));
    while ((await brokers[0]!.streams.last(STREAMS.audit.name, STREAM_SUBJECTS.audit(org))) === undefined);
    await server.kill9();
    await server.restart();
    await Promise.all(trails.map((trail) => trail.flush()));
    await Promise.all(trails.map((trail) => trail.stop()));
    expect(lost).toBe(0);
    expectWhole(await links(org), 2, 300);
  });
});
