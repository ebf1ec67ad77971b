import { expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import type { OrgId } from '@muster/protocol';
import { decodeRecord, STREAMS, type AuditRecord } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { DenialAuditor, type AuditedDenial } from './denial-auditor.js';

const DENIAL: AuditedDenial = {
  ...{ org: 'acme' as OrgId, action: 'agent.connect', from: '192.0.2.1', agentId: 'a1' },
  ...{ code: 'revoked', reason: 'the agent was revoked' },
};

async function setUp() {
  const { streams } = new MemoryBroker().connect();
  await streams.ensure(Object.values(STREAMS));
  const metrics = createMetrics('gateway');
  const auditor = new DenialAuditor({ streams, metrics, clock: new FakeClock(), logger: silentLogger });
  /** What was kept, once all of it is. */
  const kept = async (): Promise<AuditRecord[]> => {
    await auditor.stop(new AbortController().signal);
    const records: AuditRecord[] = [];
    for await (const { data } of streams.read(STREAMS.audit.name)) records.push(decodeRecord<AuditRecord>(data));
    return records;
  };
  const suppressed = async (): Promise<string | undefined> =>
    (await metrics.registry.metrics())
      .split('\n')
      .find((line) => line.startsWith('muster_gateway_audit_suppressed_total'));
  return { auditor, kept, suppressed };
}

it('a denial is kept: who was refused, from where, and why', async () => {
  const { auditor, kept } = await setUp();
  const { agentId: _, ...nobody } = DENIAL;
  auditor.denied(DENIAL);
  auditor.denied({ ...nobody, action: 'agent.enroll', code: 'unauthenticated' });
  const [named, unnamed] = await kept();
  const refused = { org: 'acme', actorName: 'agent', outcome: 'refused', from: '192.0.2.1' };
  const details = { reason: 'the agent was revoked' };
  expect(named).toMatchObject({
    ...refused,
    actor: 'a1',
    subject: 'a1',
    action: 'agent.connect',
    code: 'revoked',
    details,
  });
  expect(unnamed).toMatchObject({
    ...refused,
    actor: 'unknown',
    action: 'agent.enroll',
    code: 'unauthenticated',
    details,
  });
  expect(unnamed).not.toHaveProperty('subject');
});

it('one agent fills a part of what is kept, and all together no more than is kept', async () => {
  const { auditor, kept, suppressed } = await setUp();
  for (let i = 0; i < 200; i += 1) auditor.denied(DENIAL);
  for (let i = 0; i < 200; i += 1) auditor.denied({ ...DENIAL, agentId: `b${i}` });
  const records = await kept();
  expect([records.filter(({ actor }) => actor === 'a1').length, records.length]).toEqual([40, 100]);
  expect(await suppressed()).toMatch(/ 300$/);
});
