import { expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { fakeSession } from '../../testing/fake-session.js';
import { DuplicateIdentityReporter } from './duplicate-identity-reporter.js';

const DUPLICATE = {
  kind: 'duplicate',
  reason: 'instance',
  holder: { gatewayId: 'gw-other', epoch: 1, instance: '00'.repeat(16) },
} as const;

function setUp(maxAgents?: number) {
  const clock = new FakeClock();
  const recorded: string[] = [];
  const records: object[] = [];
  const denials: object[] = [];
  const audited: string[] = [];
  const reporter = new DuplicateIdentityReporter({
    ...{ clock, logger: silentLogger },
    ...(maxAgents === undefined ? {} : { maxAgents }),
    auditor: {
      denied: (denial) => {
        denials.push(denial);
        audited.push(denial.code);
      },
    },
    directory: {
      recordDuplicate: (org, agentId, record) => {
        records.push(record);
        recorded.push(`${org}/${agentId}`);
        return Promise.resolve({ kind: 'ok' });
      },
    },
  });
  const report = (num: number, org = 'acme' as OrgId): string =>
    reporter.report(fakeSession(num, { org }).session, DUPLICATE);
  return { clock, recorded, records, denials, audited, reporter, report };
}

test('a clone that tries three times a second is recorded once a minute', () => {
  const { clock, recorded, audited, report } = setUp();
  for (let i = 0; i < 3 * 300; i += 1) {
    expect(report(1)).toBe('another machine holds a session with this identity');
    clock.advance(1_000 / 3);
  }
  expect(recorded).toHaveLength(5);
  expect(audited).toEqual(Array.from({ length: 5 }, () => 'duplicate_identity'));
});

test('each agent of each org is recorded', () => {
  const { recorded, report } = setUp();
  report(1);
  report(2);
  report(1, 'globex' as OrgId);
  report(1);
  expect(recorded).toEqual(['acme/a1', 'acme/a2', 'globex/a1']);
});

test('what is remembered is bounded: of more agents the oldest are forgotten', () => {
  const { recorded, report } = setUp(3);
  for (const num of [1, 2, 3, 4]) report(num);
  for (const num of [2, 3, 4]) report(num);
  expect(recorded).toHaveLength(4);
  report(1);
  expect(recorded).toHaveLength(5);
});

test('it is recorded which machine was refused, and which one holds the identity', () => {
  const { clock, records, denials, reporter } = setUp();
  const { session } = fakeSession(1);
  session.instance = 'ab';
  expect(reporter.report(session, { ...DUPLICATE, reason: 'flapping' })).toBe('the identity changes hands too often');
  expect(records).toEqual([
    {
      ...{ atMs: clock.now(), holderInstance: '00'.repeat(16), refusedInstance: 'ab' },
      ...{ refusedHost: 'host-1', refusedAddress: '127.0.0.1' },
    },
  ]);
  expect(denials).toEqual([
    {
      ...{ org: 'acme', action: 'agent.connect', from: '127.0.0.1', agentId: 'a1' },
      ...{ code: 'duplicate_identity', reason: 'the identity changes hands too often' },
    },
  ]);
});
