import { describe, expect, test } from '@jest/globals';
import type { NewAuditRecord } from '@muster/audit';
import type { CommandReply, CommandReport, CommandRequest, CommandSummary } from '@muster/messages';
import type { CommandId, OrgId } from '@muster/protocol';
import type { CommandRecord } from '@muster/records';
import { CommandAudit } from './command-audit.js';
import { OpenCommand } from './open-command.js';

const ORG = 'acme' as OrgId;
const ID = 'c1' as CommandId;
const CALLER = { id: 'p1', name: 'Ann', role: 'admin', bound: '', from: '10.0.0.1' } as const;
const SUBMIT: CommandRequest = {
  ...{ t: 'submit', org: ORG, caller: CALLER, action: 'dns.flush', params: { a: 1 }, dryRun: false },
  ...{ target: { selector: 'os=linux' }, expiresInMs: 1_000 },
};
const REPLY: CommandReply = {
  t: 'command',
  repeated: true,
  command: { record: { id: ID }, status: 'running', ledger: { targeted: 3 } } as unknown as CommandSummary,
};
const problem = (code: string): CommandReply =>
  ({ t: 'problem', code, message: 'it says why', details: {} }) as CommandReply;

function setUp() {
  const records: NewAuditRecord[] = [];
  const limited: NewAuditRecord[] = [];
  const audit = new CommandAudit({
    record: (record) => void records.push(record),
    recordRateLimited: (record) => void limited.push(record),
  });
  const recordOf = (request: CommandRequest, reply: CommandReply): NewAuditRecord | undefined => {
    records.length = 0;
    audit.request(request, reply);
    return records[0];
  };
  return { audit, records, limited, recordOf };
}

const open = (): OpenCommand =>
  new OpenCommand({ id: ID, org: ORG, submittedAtMs: 1, targets: { sets: [] } } as unknown as CommandRecord, 1);

describe('the record of a request', () => {
  test('says who asked for what, from where, for which targets, and what came of it', () => {
    expect(setUp().recordOf(SUBMIT, REPLY)).toEqual({
      ...{ actor: 'p1', actorName: 'Ann', from: '10.0.0.1', org: ORG, action: 'command.submit', outcome: 'allowed' },
      ...{ subject: ID, scope: 'os=linux' },
      details: { action: 'dns.flush', params: { a: 1 }, dryRun: false, status: 'running', targets: 3, repeated: true },
    });
  });

  test('has the reason where one was given, and says that an earlier request made the command', () => {
    const { recordOf } = setUp();
    const record = recordOf({ ...SUBMIT, reason: 'ticket 7', target: { agentIds: [] } } as CommandRequest, REPLY);
    expect(record).not.toHaveProperty('scope');
    expect(record?.details).toMatchObject({ reason: 'ticket 7', repeated: true });
    expect(recordOf(SUBMIT, problem('forbidden'))?.details).not.toHaveProperty('repeated');
  });

  test.each([
    ['forbidden', 'refused'],
    ['internal', 'failed'],
    ['broker_unavailable', 'failed'],
  ])('that ended with %s is %s, with code and message', (code, outcome) => {
    const { recordOf } = setUp();
    const record = recordOf(SUBMIT, problem(code));
    expect(record).toMatchObject({ outcome, code, details: { message: 'it says why', action: 'dns.flush' } });
    expect(record).not.toHaveProperty('subject');
    expect(record?.details).not.toHaveProperty('status');
    expect(recordOf(SUBMIT, REPLY)).not.toHaveProperty('code');
    expect(recordOf(SUBMIT, REPLY)?.details).not.toHaveProperty('message');
  });

  test('names the person where that is not who made the request, and no reason where none was given', () => {
    const { recordOf } = setUp();
    const details = recordOf({ ...SUBMIT, caller: { ...CALLER, person: 'ann' } } as CommandRequest, REPLY)?.details;
    expect(details).toMatchObject({ person: 'ann' });
    expect(recordOf({ ...SUBMIT, reason: undefined } as never, REPLY)?.details).not.toHaveProperty('reason');
    expect(recordOf(SUBMIT, REPLY)?.details).not.toHaveProperty('person');
  });

  test('to undo, approve or cancel names the command, also where it is refused', () => {
    const { recordOf } = setUp();
    const undo = { t: 'undo', org: ORG, caller: CALLER, id: ID, dryRun: true, expiresInMs: 1 } as const;
    expect(recordOf(undo, problem('conflict'))).toMatchObject({ action: 'command.undo', subject: ID });
    expect(recordOf(undo, problem('conflict'))?.details).toEqual({
      ...{ undoes: ID, dryRun: true },
      message: 'it says why',
    });
    const approve = { t: 'approve', org: ORG, caller: CALLER, id: ID } as const;
    expect(recordOf(approve, problem('forbidden'))).toMatchObject({ action: 'command.approve', subject: ID });
    expect(recordOf(approve, REPLY)?.details).toEqual({ status: 'running', targets: 3, repeated: true });
    const cancel = { t: 'cancel', org: ORG, caller: CALLER, id: ID, reason: 'wrong' } as const;
    expect(recordOf(cancel, REPLY)).toMatchObject({ action: 'command.cancel', details: { reason: 'wrong' } });
  });

  test('is not made of lists, plans, requests of no org, and of what the journal has', () => {
    const { recordOf } = setUp();
    expect(recordOf(SUBMIT, { ...REPLY, repeated: false })).toBeUndefined();
    const plan = { ...SUBMIT, t: 'plan' } as CommandRequest;
    for (const request of [plan, { t: 'list', org: ORG, limit: 1 } as const, { ...SUBMIT, org: 'no org' as OrgId }]) {
      expect(recordOf(request, REPLY)).toBeUndefined();
    }
  });
});

describe('the service itself records', () => {
  const own = { org: ORG, actor: 'muster', actorName: 'Muster', outcome: 'allowed', from: '', subject: ID };

  test('deliveries, and whether they went to all gateways', () => {
    const { audit, records } = setUp();
    audit.delivered(open(), 5, 2, false);
    audit.delivered(open(), 5, 2, true);
    expect(records).toEqual([
      { ...own, action: 'command.deliver', details: { targets: 5, gateways: 2 } },
      { ...own, action: 'command.deliver', details: { targets: 5, gateways: 2, broadcast: true } },
    ]);
  });
});

test('what an endpoint could not verify is recorded as a refusal, or as its claim where nothing confirms it', () => {
  const { audit, records, limited } = setUp();
  const report = {
    ...{ org: ORG, agentId: 'a1', num: 7, id: ID, number: 2, state: 'refused', code: 'bad_signature' },
    ...{ message: 'it is forged', authentic: false },
  } as unknown as CommandReport;
  audit.refusedByAgent(report);
  audit.refusedByAgent(report, 'it was never sent');
  const refusal = {
    ...{ org: ORG, actor: 'a1', actorName: 'a1', action: 'command.refused_by_agent', outcome: 'refused', from: '' },
    ...{ subject: ID, code: 'bad_signature' },
  };
  const details = { target: 2, message: 'it is forged' };
  expect(limited).toEqual([
    { ...refusal, details },
    { ...refusal, details: { ...details, claim: 'unconfirmed', doubt: 'it was never sent' } },
  ]);
  expect(records).toEqual([]);
});
