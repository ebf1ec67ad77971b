import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { connectNats, type Broker } from '@muster/bus';
import { LimitedAccount } from '@muster/bus/testing';
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
import { eventually } from '@muster/runtime/testing';
import { AuditTrail } from './audit-trail.js';

const ORG = 'acme' as OrgId;
const SUBJECT = STREAM_SUBJECTS.audit(ORG);
const { audit } = STREAMS;
const LIMIT = 8_000_000;
const ROUNDS = 20;

let account: LimitedAccount;
const brokers: Broker[] = [];
const trails: AuditTrail[] = [];
let lost = 0;

beforeAll(async () => {
  account = await LimitedAccount.start();
  for (const _ of [1, 2]) {
    const broker = await connectNats({ servers: [account.server.url], name: 'audit', logger: silentLogger });
    await broker.streams.ensure([audit, { name: 'FILLER', subjects: ['filler'] }]);
    const metrics = { auditLost: { inc: () => void (lost += 1) }, auditSuppressed: { inc: () => undefined } };
    const { streams } = broker;
    trails.push(new AuditTrail({ streams, clock: systemClock, logger: silentLogger, metrics, retryForMs: 600_000 }));
    brokers.push(broker);
  }
});
afterAll(async () => {
  for (const broker of brokers) await broker.stop();
  await account.stop();
});

async function links(): Promise<ChainLink[]> {
  const found: ChainLink[] = [];
  for await (const { seq, data } of brokers[0]!.streams.read(audit.name, { subject: SUBJECT })) {
    found.push({ seq, record: decodeRecord<AuditRecord>(data), hash: auditHash(data) });
  }
  return found;
}

async function record(i: number): Promise<void> {
  trails.forEach((trail, writer) =>
    trail.record({
      ...{ org: ORG, actor: `writer${writer}`, actorName: 'w', action: 'command.outcome', outcome: 'allowed' },
      ...{ from: '-', details: { i } },
    }),
  );
  await Promise.all(trails.map((trail) => trail.flush()));
}

it('records go on and the chain stays whole where an account is at its limit and its newest record is forgotten', async () => {
  const { streams, bus } = brokers[0]!;
  await record(0);
  await account.limit(LIMIT);
  await eventually(async () => (await streams.storage()).limitBytes === LIMIT);
  while ((await streams.append('filler', new Uint8Array(100_000))).kind === 'appended');
  for (let i = 1; i <= ROUNDS; i += 1) {
    // The server stores it, refuses it and removes it, and with 2.9 the newest record of the chain is forgotten.
    await bus.request(SUBJECT, new Uint8Array(900_000), { timeoutMs: 20_000 });
    if (i === ROUNDS / 2) {
      // A writer that has just started reads the head first.
      const { streams: its } = brokers[1]!;
      const metrics = { auditLost: { inc: () => void (lost += 1) }, auditSuppressed: { inc: () => undefined } };
      trails[1] = new AuditTrail({ streams: its, clock: systemClock, logger: silentLogger, metrics });
    }
    await record(i);
  }
  const all = await links();
  expect(verifyChain(all)).toMatchObject({ records: 2 * (ROUNDS + 1), unchained: 0, cut: false, faults: [] });
  for (const writer of [0, 1]) {
    const mine = all.filter(({ record: { actor } }) => actor === `writer${writer}`);
    expect(mine.map(({ record: { details } }) => details!['i'])).toEqual(
      Array.from({ length: ROUNDS + 1 }, (_, i) => i),
    );
  }
  expect(lost).toBe(0);
});
