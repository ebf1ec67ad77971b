import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { agentIdFromPublicKey } from '@muster/identity/agent';
import { type AgentId, type CommandBody, decodeRows, type HelloBody, type ReportBody } from '@muster/protocol';
import type { TestProcess } from '@muster/testkit';
import { startAgentProgram } from './testing/agent-program.js';
import { CommandIssuer } from './testing/command-issuer.js';
import { FakeGateway, type FakeRefusal } from './testing/fake-gateway.js';
import type { FakeSession } from './testing/fake-session.js';

let folder: string;
let issuer: CommandIssuer;
/** What the gateway answers enrolments with, besides the usual. */
let trust: object;
let enrolments: number;
let agentId: AgentId;
const cleanups: (() => Promise<unknown> | void)[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-agent-'));
  issuer = await CommandIssuer.create(Date.now);
  trust = { trust: { keys: issuer.roots } };
  enrolments = 0;
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

async function startGateway(): Promise<FakeGateway> {
  const enrol = (_request: unknown, body: unknown): FakeRefusal => {
    enrolments += 1;
    agentId = agentIdFromPublicKey((body as { publicKey: string }).publicKey) as AgentId;
    return { status: 201, body: { agentId, num: 1, token: 'a-token', expiresAtMs: 1, ...trust } };
  };
  const gateway = await FakeGateway.start({ enrol });
  cleanups.push(() => gateway.stop());
  return gateway;
}

function start(gateway: FakeGateway, env: Record<string, string> = {}): TestProcess {
  const program = startAgentProgram(['run'], {
    MUSTER_GATEWAY_URL: gateway.url.replace('/v1/live', ''),
    MUSTER_ENROLL_SECRET: 'sesame',
    MUSTER_ORG: 'acme',
    MUSTER_DATA_DIR: join(folder, 'data'),
    MUSTER_LABELS: 'env=test',
    ...env,
  });
  cleanups.push(() => program.kill());
  return program;
}

async function connect(gateway: FakeGateway, welcome = {}): Promise<{ session: FakeSession; hello: HelloBody }> {
  const session = await gateway.next();
  return { session, hello: await session.welcome(welcome) };
}

/** A process that does not end when it is asked to, and counts how often it is. */
async function startStubborn(): Promise<{
  readonly pid: number;
  readonly asked: () => number;
  readonly askedOnce: Promise<void>;
}> {
  const child = spawn('/bin/sh', ['-c', 'trap "echo asked" TERM; echo ready; while :; do sleep 0.05; done'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const gone = new Promise((resolve) => child.on('close', resolve));
  cleanups.push(() => {
    child.kill('SIGKILL');
    return gone;
  });
  let output = '';
  const waiting = new Map<string, () => void>();
  child.stdout.on('data', (part: Buffer) => {
    output += part.toString();
    for (const [text, resolve] of waiting) if (output.includes(text)) resolve();
  });
  const printed = (text: string): Promise<void> => new Promise((resolve) => waiting.set(text, resolve));
  const askedOnce = printed('asked');
  await printed('ready');
  return { pid: child.pid!, asked: () => output.split('asked').length - 1, askedOnce };
}

const ask = (pid: number, claims = {}): CommandBody =>
  issuer.issue({
    targets: [agentId],
    claims: { action: 'process.kill', params: { pid, signal: 'TERM' }, ...claims },
  })[0]!;

/** How a command ended. A report that it runs comes only if it takes a moment. */
async function outcome(session: FakeSession): Promise<ReportBody> {
  for (;;) {
    const report = await session.report();
    if (report.state !== 'running') return report;
  }
}

const describeReport = ({ state, code, authentic }: ReportBody): string =>
  `${authentic ? '' : 'unauthentic '}${state}/${code}`;

describe('the agent program and commands', () => {
  test('killed between running and reporting: the command ran once, has failed as interrupted, and stays failed', async () => {
    const gateway = await startGateway();
    const first = start(gateway);
    const { session, hello } = await connect(gateway);
    expect(hello.capabilities).toEqual(['query', 'parameters', 'packs', 'command', 'mode', 'metrics', 'heartbeat']);
    const stubborn = await startStubborn();
    const order = ask(stubborn.pid);
    session.command(order);
    expect(await session.report()).toMatchObject({ id: order.id, number: 1, state: 'running' });
    await stubborn.askedOnce;
    await first.kill();

    const second = start(gateway);
    const { session: again } = await connect(gateway);
    expect(describeReport(await again.report())).toBe('failed/interrupted');
    again.command(order);
    expect(describeReport(await again.report())).toBe('failed/interrupted');
    again.confirmReport(order);
    // An answer to a query behind it means that it was read.
    again.query(1, { sql: 'SELECT 1 AS one', columns: ['one'] });
    await again.answer();
    await second.kill();

    start(gateway);
    const { session: last } = await connect(gateway);
    last.command(order);
    expect(describeReport(await last.report())).toBe('failed/interrupted');
    expect(stubborn.asked()).toBe(1);
  });

  test('killed after reporting, before the confirmation: the recorded outcome is reported again', async () => {
    const gateway = await startGateway();
    const first = start(gateway);
    const { session } = await connect(gateway);
    const order = issuer.issue({
      targets: [agentId],
      claims: { action: 'agent.set_labels', params: { set: { env: 'prod' } }, dryRun: true },
    })[0]!;
    session.command(order);
    const ended = await outcome(session);
    expect(ended).toMatchObject({ state: 'succeeded', code: 'dry_run', effects: ['would set env=prod'] });
    await first.kill();
    start(gateway);
    const { session: again } = await connect(gateway);
    expect(await again.report()).toEqual(ended);
  });

  test('a hanging action blocks neither queries nor other kinds of actions, and stops when it is cancelled', async () => {
    const gateway = await startGateway();
    start(gateway);
    const { session } = await connect(gateway);
    const stubborn = await startStubborn();
    const order = ask(stubborn.pid);
    session.command(order);
    await session.report();
    await stubborn.askedOnce;
    session.query(1, { sql: 'SELECT 1 AS one', columns: ['one'] });
    expect(decodeRows((await session.answer())[0]!, 1)).toEqual([[1]]);
    const other = issuer.issue({
      targets: [agentId],
      claims: { action: 'agent.set_labels', params: { set: { a: 'b' } }, dryRun: true },
    })[0]!;
    session.command(other);
    expect(await outcome(session)).toMatchObject({ id: other.id, state: 'succeeded' });
    session.confirmReport(other);
    session.cancelCommand(order);
    const ended = await session.report();
    expect(ended).toMatchObject({ id: order.id, state: 'cancelled' });
    expect(ended.effects).toHaveLength(1);
    expect(stubborn.asked()).toBe(1);
  });

  test('a command that is forged, changed, for another agent, expired or signed by a retired key is refused', async () => {
    const gateway = await startGateway();
    start(gateway);
    const { session } = await connect(gateway, { commandKeys: issuer.keyList(2) });
    const { pid, asked } = await startStubborn();
    const foreignIssuer = await CommandIssuer.create(Date.now);
    const claims = { action: 'process.kill', params: { pid, signal: 'TERM' } };
    const good = ask(pid);
    const [header, payload, signature] = good.jws.split('.');
    const old = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...old, timeoutMs: 1 })).toString('base64url');
    const seconds = Math.floor(Date.now() / 1_000);
    const orders: readonly (readonly [CommandBody, string])[] = [
      [foreignIssuer.issue({ targets: [agentId], claims })[0]!, 'unauthentic refused/unknown_key'],
      [{ ...good, jws: `${header}.${changed}.${signature}` }, 'unauthentic refused/bad_signature'],
      [issuer.issue({ targets: ['b'.repeat(24) as AgentId], claims })[0]!, 'unauthentic refused/not_a_target'],
      [ask(pid, { org: 'other' }), 'unauthentic refused/wrong_org'],
      [
        { ...issuer.issue({ targets: [agentId], claims, retired: true })[0]!, keys: issuer.keyList(1) },
        'unauthentic refused/retired_key',
      ],
      [ask(pid, { iat: seconds - 60, exp: seconds - 1 }), 'expired/expired'],
    ];
    for (const [order, expected] of orders) {
      session.command(order);
      expect(describeReport(await session.report())).toBe(expected);
      session.confirmReport(order);
    }
    expect(asked()).toBe(0);
  });

  test('labels that a command sets are in the HELLO of a new session, at once and after a restart', async () => {
    const gateway = await startGateway();
    const first = start(gateway);
    const { session, hello } = await connect(gateway);
    expect(hello.labels).toEqual({ env: 'test' });
    const order = issuer.issue({
      targets: [agentId],
      claims: { action: 'agent.set_labels', params: { set: { env: 'prod', team: 'blue' } } },
    })[0]!;
    session.command(order);
    expect(await outcome(session)).toMatchObject({ state: 'succeeded' });
    session.confirmReport(order);
    const { hello: next } = await connect(gateway);
    expect(next.labels).toEqual({ env: 'prod', team: 'blue' });
    expect(await session.closed).toBe(1000);
    await first.kill();
    start(gateway);
    expect((await connect(gateway)).hello.labels).toEqual({ env: 'prod', team: 'blue' });
  });

  test('an agent that enrolled before there were roots enrols once more and announces commands', async () => {
    const gateway = await startGateway();
    const roots = trust;
    trust = {};
    const first = start(gateway);
    const { session, hello } = await connect(gateway);
    expect(hello.capabilities).toEqual(['query', 'parameters', 'packs', 'mode', 'metrics', 'heartbeat']);
    session.command(ask(1));
    expect(describeReport(await session.report())).toBe('unauthentic refused/no_trust');
    await first.printed('"msg":"no command roots; this agent takes no commands"');
    await first.kill();
    expect(enrolments).toBe(2);

    trust = roots;
    start(gateway);
    expect((await connect(gateway)).hello.capabilities).toEqual([
      'query',
      'parameters',
      'packs',
      'mode',
      'metrics',
      'heartbeat',
    ]);
    expect((await connect(gateway)).hello.capabilities).toEqual([
      'query',
      'parameters',
      'packs',
      'command',
      'mode',
      'metrics',
      'heartbeat',
    ]);
    expect(enrolments).toBe(3);
    const pinned = JSON.parse(readFileSync(join(folder, 'data', 'command-trust.json'), 'utf8')) as object;
    expect(pinned).toMatchObject({ roots: issuer.roots });
  });

  test('an agent with the policy "none" does not announce commands, and runs none', async () => {
    const gateway = await startGateway();
    start(gateway, { MUSTER_AGENT_ACTIONS: 'none' });
    const { session, hello } = await connect(gateway);
    expect(hello.capabilities).toEqual(['query', 'parameters', 'packs', 'mode', 'metrics', 'heartbeat']);
    session.command(ask(1));
    expect(describeReport(await session.report())).toBe('refused/action_not_allowed');
  });
});
