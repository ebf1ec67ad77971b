import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandReply } from '@muster/messages';
import type { CommandId } from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import {
  ANN,
  BOB,
  commandOf,
  CommandHarness,
  makeTestKeys,
  ORG,
  submitRequest,
  type TestKeys,
} from '../testing/command-harness.js';
import type { FakeAgent } from '../testing/fake-agent.js';
import type { FakeGateway } from '../testing/fake-gateway.js';

let keys: TestKeys;
let folder: string;
let policyFile: string;
let harness: CommandHarness;
let agents: FakeAgent[];
let gateway: FakeGateway;
beforeAll(async () => {
  keys = await makeTestKeys();
  folder = await mkdtemp(join(tmpdir(), 'muster-policy-'));
  policyFile = join(folder, 'policy.json');
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  await writeFile(policyFile, JSON.stringify({ approval: [{ actions: ['dns.*'], role: 'responder' }] }));
  harness = await opened();
});
afterEach(() => harness.close());

async function opened(): Promise<CommandHarness> {
  harness = await new CommandHarness({ keys, policyFile }).open();
  agents = await harness.agents(3, {}, { env: 'prod' });
  await harness.service();
  gateway = harness.gateway('gw-1');
  return harness;
}

async function reopened(): Promise<CommandHarness> {
  await harness.close();
  return opened();
}

/** Changes the policy; resolves when the service has read it, as a plan shows. */
async function policyBecomes(policy: object, isRead: (plan: CommandReply) => boolean): Promise<void> {
  await writeFile(policyFile, JSON.stringify(policy));
  await eventually(async () => {
    await harness.pass(5_000);
    return isRead(await harness.ask({ ...submitRequest({ action: 'dns.flush', params: {} }), t: 'plan' }));
  });
}

const BOOTSTRAP = { person: 'bootstrap', origin: 'bootstrap' };
const SUBJECT = 'oidc:https://id.example u-1';
const CAROL = { ...BOB, id: 'op-carol', name: 'Carol' };
const approve = (id: CommandId, caller = BOB) => ({ t: 'approve', org: ORG, caller, id }) as const;
const cancel = (id: CommandId, caller = ANN) => ({ t: 'cancel', org: ORG, caller, id }) as const;
const waiting = () => harness.submit({ action: 'dns.flush', params: {} });

describe('approval', () => {
  test('by another person starts the command, and the signature has both names', async () => {
    gateway.connect(...agents.slice(0, 2));
    const { record, status } = await waiting();
    expect([status, record.approval?.role]).toEqual(['awaiting_approval', 'responder']);
    await harness.pass(5_000);
    expect(agents.flatMap((agent) => [...agent.starts])).toEqual([]);
    const approved = commandOf(await harness.ask(approve(record.id)));
    expect(approved).toMatchObject({ status: 'running', approver: { name: 'Bob' } });
    await harness.pass(1_000);
    const fold = await harness.fold(record.id);
    expect(fold.ledger).toMatchObject({ succeeded: 2, queued: 1 });
    const claims = JSON.parse(Buffer.from(fold.signature!.jws.split('.')[1]!, 'base64url').toString()) as object;
    expect(claims).toMatchObject({ operator: { name: 'Ann' }, approver: { id: 'op-bob', name: 'Bob' } });
  });

  test('by the operator who submitted it is refused, also with another token of the same name', async () => {
    const { record } = await waiting();
    expect((await harness.problem(approve(record.id, ANN))).code).toBe('self_approval');
    expect((await harness.problem(approve(record.id, { ...BOB, name: 'ann ' }))).code).toBe('self_approval');
    expect((await harness.fold(record.id)).status).toBe('awaiting_approval');
  });

  describe('by a credential of the same person', () => {
    const token = (id: string, origin = 'bootstrap') => ({ person: `token:${id}`, origin });
    const ann = { ...ANN, ...token('ann') };
    const bob = { ...BOB, ...token('bob') };
    const order = (caller: typeof ANN) => harness.submit({ action: 'dns.flush', params: {}, caller });

    test.each([
      ['that the operator made under another name', ann, { ...BOB, ...token('ann') }],
      ['whose token the operator used', { ...BOB, ...token('ann') }, ann],
      ['that was made with the bootstrap token, by which it was ordered', { ...ANN, ...BOOTSTRAP }, bob],
      ['that is the bootstrap token, which made the one that ordered', bob, { ...ANN, ...BOOTSTRAP }],
      ['of the identity provider', { ...ANN, ...token('ann', SUBJECT), person: SUBJECT }, { ...BOB, person: SUBJECT }],
    ])('%s is refused', async (_name, operator, approver) => {
      const { record } = await order(operator);
      expect((await harness.problem(approve(record.id, approver))).code).toBe('self_approval');
      expect((await harness.fold(record.id)).status).toBe('awaiting_approval');
    });

    test('is not what somebody else has: that starts the command, and the signature names both persons', async () => {
      const { record } = await order(ann);
      expect(commandOf(await harness.ask(approve(record.id, bob))).status).toBe('running');
      const jws = (await harness.fold(record.id)).signature?.jws ?? '';
      const claims = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as object;
      expect(claims).toMatchObject({ operator: { person: 'token:ann' }, approver: { person: 'token:bob' } });
      const audited = (await harness.audit()).find(({ action }) => action === 'command.approve');
      expect(audited?.details).toMatchObject({ person: 'token:bob' });
    });

    test('is refused where the policy wants independent persons, when one origin made both, or is not known', async () => {
      await writeFile(policyFile, JSON.stringify({ approval: [{ actions: ['dns.*'], independent: true }] }));
      harness = await reopened();
      const { record } = await order(ann);
      for (const approver of [bob, { ...BOB, ...token('bob', 'unknown') }, BOB]) {
        expect((await harness.problem(approve(record.id, approver))).code).toBe('self_approval');
      }
      const carol = { ...CAROL, person: SUBJECT, origin: SUBJECT };
      expect(commandOf(await harness.ask(approve(record.id, carol))).status).toBe('running');
    });
  });

  test('is checked against the policy as it is when the command is signed', async () => {
    const { record } = await waiting();
    const needs = (reply: CommandReply) => (reply.t === 'plan' ? reply.approval?.role : reply.t);
    await policyBecomes({ approval: [{ actions: ['dns.*'], role: 'admin' }] }, (plan) => needs(plan) === 'admin');
    expect((await harness.problem(approve(record.id))).code).toBe('forbidden');
    await policyBecomes({ limits: { responder: { maxTargets: 1 } } }, (plan) => needs(plan) === 'problem');
    expect((await harness.problem(approve(record.id))).code).toBe('too_many_targets');
    // A looser policy does not take back what was asked for at the submission.
    await policyBecomes({}, (plan) => needs(plan) === undefined);
    expect((await harness.problem(approve(record.id, ANN))).code).toBe('self_approval');
    expect(commandOf(await harness.ask(approve(record.id))).status).toBe('running');
  });

  test('without the role, or outside the bound, is refused', async () => {
    const { record } = await waiting();
    expect((await harness.problem(approve(record.id, { ...BOB, role: 'analyst' }))).code).toBe('forbidden');
    expect((await harness.problem(approve(record.id, { ...BOB, bound: 'env=dev' }))).code).toBe('forbidden');
  });

  test('twice: the first one counts, and the second one learns who approved', async () => {
    const { record } = await waiting();
    const [one, two] = await Promise.all([harness.ask(approve(record.id)), harness.ask(approve(record.id, CAROL))]);
    const problem = [one, two].find((reply) => reply.t === 'problem');
    expect(problem).toMatchObject({ code: 'conflict', message: expect.stringMatching(/was approved by (Bob|Carol)/) });
    const [first, other] = one.t === 'problem' ? [CAROL, BOB] : [BOB, CAROL];
    expect((await harness.problem(approve(record.id, other))).code).toBe('conflict');
    // The same request may reach two services.
    expect(await harness.ask(approve(record.id, first))).toMatchObject({ t: 'command', repeated: true });
  });

  test('rejected, or too late: nothing starts', async () => {
    gateway.connect(...agents);
    const rejected = await waiting();
    expect(commandOf(await harness.ask(cancel(rejected.record.id, BOB)))).toMatchObject({
      status: 'ended',
      cancel: { code: 'rejected' },
    });
    expect((await harness.problem(approve(rejected.record.id))).code).toBe('conflict');
    const late = await harness.submit({ action: 'dns.flush', params: {}, expiresInMs: 5_000 });
    await harness.pass(6_500);
    expect(await harness.fold(late.record.id)).toMatchObject({ status: 'ended', cancel: { code: 'not_approved' } });
    expect((await harness.problem(approve(late.record.id))).code).toBe('conflict');
    expect(agents.flatMap((agent) => [...agent.starts])).toEqual([]);
  });
});

describe('cancelling', () => {
  test('queued targets never start; the others keep their outcome', async () => {
    const [quick, slow, away] = agents;
    gateway.connect(quick!);
    const { record } = await harness.submit();
    await harness.pass(500);
    const reply = commandOf(await harness.ask(cancel(record.id)));
    expect(reply).toMatchObject({ status: 'ended', ledger: { succeeded: 1, cancelled: 2 } });
    gateway.connect(slow!, away!);
    await harness.pass(5_000);
    expect([slow, away].flatMap((agent) => [...agent!.starts])).toEqual([]);
    expect((await harness.problem(cancel(record.id))).code).toBe('conflict');
  });

  test('reaches an agent with the command in its queue, and one that connects later', async () => {
    const slow = await harness.agents(2, { queueMs: () => 60_000 });
    gateway.connect(...slow);
    const { record } = await harness.submit({
      target: { agentIds: slow.map(({ agentId }) => agentId) },
      expiresInMs: 600_000,
    });
    await harness.pass(500);
    expect((await harness.fold(record.id)).ledger.accepted).toBe(2);
    gateway.disconnect(slow[1]!);
    const cancelled = { status: 'running', cancel: { by: { name: 'Ann' } } };
    expect(commandOf(await harness.ask(cancel(record.id)))).toMatchObject(cancelled);
    // A repeated cancellation is no fault.
    expect(commandOf(await harness.ask(cancel(record.id, BOB)))).toMatchObject(cancelled);
    await harness.pass(500);
    expect((await harness.fold(record.id)).ledger).toMatchObject({ accepted: 1, cancelled: 1 });
    gateway.connect(slow[1]!);
    await harness.pass(500);
    expect(await harness.fold(record.id)).toMatchObject({ status: 'ended', ledger: { cancelled: 2 } });
    expect(slow.flatMap((agent) => [...agent.starts])).toEqual([]);
  });

  test('is for the operator who submitted it, or whose bound includes all targets', async () => {
    const { record } = await harness.submit();
    expect((await harness.problem(cancel(record.id, { ...BOB, bound: 'env=dev' }))).code).toBe('forbidden');
    expect((await harness.problem(cancel('c0000000000000000000000000' as CommandId))).code).toBe('not_found');
    expect((await harness.problem({ ...cancel(record.id), org: 'other' as typeof ORG })).code).toBe('not_found');
    expect(commandOf(await harness.ask(cancel(record.id, { ...BOB, bound: 'env=prod' }))).status).toBe('ended');
  });
});

describe('undoing', () => {
  const undo = (id: CommandId, change: object = {}) =>
    ({ t: 'undo', org: ORG, caller: ANN, id, dryRun: false, expiresInMs: 60_000, ...change }) as const;

  test('submits the undo to the endpoints on which it succeeded, bound to their target numbers', async () => {
    const [one, two] = agents;
    gateway.connect(one!, two!);
    const { record } = await harness.submit({ action: 'file.quarantine', params: { path: '/tmp/x' } });
    await harness.pass(500);
    const undone = commandOf(await harness.ask(undo(record.id)));
    expect(undone.record).toMatchObject({ action: 'undo', params: { command: record.id }, undoes: record.id });
    await harness.pass(500);
    const fold = await harness.fold(undone.record.id);
    expect(fold.ledger).toMatchObject({ targeted: 2, succeeded: 2 });
    expect(fold.record.targets).toEqual({
      rows: [
        [one!.num, { target: 1 }],
        [two!.num, { target: 2 }],
      ],
    });
  });

  test.each([
    ['an action that cannot be undone', { action: 'process.kill', params: { name: 'x' } }, true],
    ['a dry run', { action: 'file.quarantine', params: { path: '/tmp/x' }, dryRun: true }, true],
    ['one that succeeded nowhere', { action: 'file.quarantine', params: { path: '/tmp/x' } }, false],
  ])('%s: refused', async (_name, change, connected) => {
    if (connected) gateway.connect(...agents);
    const { record } = await harness.submit(change);
    await harness.pass(500);
    expect((await harness.problem(undo(record.id))).code).toBe('not_undoable');
    expect((await harness.problem(undo('c0000000000000000000000000' as CommandId))).code).toBe('not_found');
  });
});

test('every journal entry with outcomes is in the audit chain, with its hash', async () => {
  gateway.connect(...agents);
  const { record } = await harness.submit({ reason: 'found it' });
  await harness.pass(1_000);
  const about = (await harness.audit()).filter(({ subject }) => subject === record.id);
  expect(about.map(({ action }) => action)).toEqual(['command.submit', 'command.deliver', 'command.outcome']);
  expect(about[0]).toMatchObject({ actorName: 'Ann', from: ANN.from, details: { reason: 'found it', targets: 3 } });
  const states = (await harness.entries(record.id)).filter((entry) => entry.t === 'states');
  expect(states.flatMap(({ changes }) => changes.flatMap(({ targets }) => decodeNumberSet(targets)))).toEqual([
    1, 2, 3,
  ]);
  expect(about[2]?.details).toMatchObject({
    changes: [{ state: 'succeeded', targets: 3 }],
    journal: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});
