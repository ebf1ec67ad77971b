import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CommandIssuer, type IssueOptions } from '@muster/agent/testing/command-issuer';
import {
  decodeBody,
  encodeBody,
  encodeFrame,
  FRAME,
  type Binding,
  type CommandBody,
  type CommandClaims,
  type ReportBody,
} from '@muster/protocol';
import type { SimulatedAgent } from '../agent/agent.js';
import { FakeGateway } from '../testing/fake-gateway.js';
import { Fleet } from './fleet.js';
import type { FleetOptions } from '../agent/fleet-options.js';

type Report = ReportBody & { readonly agentId: string };
type Claims = Partial<CommandClaims> & Pick<CommandClaims, 'action'>;

const newIssuer = (): Promise<CommandIssuer> => CommandIssuer.create(() => Date.now());
const commandFrame = (body: CommandBody): Uint8Array => encodeFrame(FRAME.command, 0, encodeBody('command', body));
const cancelFrame = ({ id, number }: CommandBody): Uint8Array =>
  encodeFrame(FRAME.commandCancel, 0, encodeBody('commandCancel', { id, number }));
const keptFrame = ({ id, number }: CommandBody): Uint8Array =>
  encodeFrame(FRAME.reportKept, 0, encodeBody('reportKept', { id, number }));

describe('commands on simulated agents', () => {
  let issuer: CommandIssuer;
  let gateway: FakeGateway;
  let url: string;
  let fleet: Fleet;
  let decoded: Report[];
  let decodedUpTo: number;

  beforeAll(async () => {
    issuer = await newIssuer();
  });
  beforeEach(async () => {
    gateway = new FakeGateway();
    [decoded, decodedUpTo] = [[], 0];
    gateway.trust = { keys: issuer.roots };
    gateway.commandKeys = issuer.keyList();
    url = await gateway.listen();
  });
  afterEach(async () => {
    await fleet.stop();
    await gateway.stop();
  });

  async function start(options: Partial<FleetOptions> = {}): Promise<void> {
    fleet = new Fleet({ gateways: [url], org: 'acme', enrolSecret: 's', agents: 1, uniform: true, ...options });
    await fleet.start();
  }

  const one = (): SimulatedAgent => fleet.agents[0]!;
  /** All reports so far; each is decoded once. */
  const reports = (): readonly Report[] => {
    for (; decodedUpTo < gateway.received.length; decodedUpTo += 1) {
      const { agentId, type, body } = gateway.received[decodedUpTo]!;
      const report = type === FRAME.report ? decodeBody('report', body) : undefined;
      if (report?.ok === true) decoded.push({ agentId, ...report.body });
    }
    return decoded;
  };
  const states = (): string[] => reports().map(({ state }) => state);

  const send = (body: CommandBody, agent = one()): void => gateway.send(agent.agentId, commandFrame(body));
  function sendAll(command: readonly CommandBody[]): void {
    command.forEach((body, i) => send(body, fleet.agents[i]!));
  }
  const issue = (
    targets: readonly (string | readonly [agentId: string, binding: Binding])[],
    claims: Claims,
    by = issuer,
  ): CommandBody[] => by.issue({ targets: targets as IssueOptions['targets'], claims });
  const toAll = (claims: Claims): CommandBody[] =>
    issue(
      fleet.agents.map(({ agentId }) => agentId),
      claims,
    );

  it('each target runs once, and its report is repeated until it is kept', async () => {
    await start({ agents: 20 });
    const command = toAll({ action: 'dns.flush' });
    sendAll(command);
    await gateway.until(() => reports().length === 20);
    expect(new Set(states())).toEqual(new Set(['succeeded']));
    expect(new Map(fleet.oracle.all.map(({ number, result }) => [number, result]))).toEqual(
      new Map(command.map(({ number }) => [number, 'succeeded'])),
    );
    const [kept, ...others] = fleet.agents;
    gateway.send(kept!.agentId, keptFrame(command[0]!));
    await gateway.until(() =>
      others.every(({ agentId }) => reports().filter((report) => report.agentId === agentId).length > 1),
    );
    expect(reports().filter(({ agentId }) => agentId === kept!.agentId)).toHaveLength(1);
    expect(fleet.oracle.total).toBe(20);
  });

  it('a repeated command is answered with the recorded outcome, and does not run again', async () => {
    await start();
    const command = toAll({ action: 'dns.flush' });
    sendAll(command);
    await gateway.until(() => states().length === 1);
    sendAll(command);
    await gateway.until(() => states().length === 2);
    one().crash();
    await gateway.until(() => states().length === 3);
    sendAll(command);
    await gateway.until(() => states().length === 4);
    expect(new Set(states())).toEqual(new Set(['succeeded']));
    expect(fleet.oracle.runs(one().agentId, command[0]!.id, 1)).toBe(1);
    expect(fleet.oracle.doubled()).toEqual([]);
  });

  it('a killed process is missing from later queries and from the expected result', async () => {
    await start();
    const sql = "SELECT pid, name FROM processes WHERE name = 'nginx'";
    expect(fleet.expected(sql, 2).answered).toBe(1);
    sendAll(toAll({ action: 'process.kill', params: { name: 'nginx' }, dryRun: true }));
    await gateway.until(() => states().length === 1);
    expect(reports()[0]).toMatchObject({ state: 'succeeded', code: 'dry_run' });
    expect(reports()[0]?.effects?.[0]).toMatch(/^would kill nginx/);
    expect(fleet.expected(sql, 2).answered).toBe(1);
    sendAll(toAll({ action: 'process.kill', params: { name: 'nginx' } }));
    await gateway.until(() => states().length === 2);
    expect(reports()[1]?.effects).toHaveLength(5);
    expect(fleet.expected(sql, 2)).toMatchObject({ answered: 0, empty: 1 });
    gateway.ask(5, { sql });
    await gateway.until(() => gateway.received.some(({ type, final }) => type === FRAME.rows && final));
    expect(gateway.received.find(({ type }) => type === FRAME.rows)?.body).toHaveLength(0);
  });

  it('a command bound to a row that has changed is refused; bound to the current row it runs', async () => {
    await start();
    const { groups } = fleet.expected("SELECT pid, start_time, path FROM processes WHERE name = 'cron'", 3);
    const [pid, start_time, path] = groups[0]!.row as [number, number, string];
    const bound = (change: object): void => {
      const command = issue([[one().agentId, { pid, start_time, path, ...change }]], { action: 'process.kill' });
      sendAll(command);
    };
    bound({ start_time: start_time + 1 });
    await gateway.until(() => reports().length === 1);
    bound({});
    await gateway.until(() => reports().length === 2);
    bound({});
    await gateway.until(() => reports().length === 3);
    expect(reports().map(({ state, code }) => `${state} ${code}`)).toEqual([
      'refused changed',
      'succeeded ok',
      'succeeded unchanged',
    ]);
  });

  it('undo starts a stopped service again, once', async () => {
    await start();
    const sql = "SELECT id, active_state FROM systemd_units WHERE id = 'nginx.service'";
    const state = (): unknown => fleet.expected(sql, 2).groups[0]?.row[1];
    const stop = toAll({ action: 'service.stop', params: { name: 'nginx' } });
    sendAll(stop);
    await gateway.until(() => reports().length === 1);
    expect(state()).toBe('inactive');
    const undo = { action: 'undo', params: { command: stop[0]!.id } };
    for (const round of [2, 3]) {
      sendAll(issue([[one().agentId, { target: 1 }]], undo));
      await gateway.until(() => reports().length === round);
    }
    expect(state()).toBe('active');
    expect(reports().map(({ code }) => code)).toEqual(['ok', 'ok', 'nothing_kept']);
  });

  it('a forged, altered, misaddressed or expired command does not run', async () => {
    await start({ agents: 2 });
    const [agent, other] = [fleet.agents[0]!, fleet.agents[1]!];
    const foreignIssuer = await newIssuer();
    const claims = { action: 'process.kill', params: { name: 'nginx' } };
    const good = issue([agent.agentId, other.agentId], claims)[0]!;
    const [head, , signature] = good.jws.split('.');
    const payload = JSON.parse(Buffer.from(good.jws.split('.')[1]!, 'base64url').toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...payload, params: { name: 'cron' } })).toString('base64url');
    const past = Math.floor(Date.now() / 1_000) - 10;
    const cases: readonly [string, boolean, CommandBody][] = [
      ['unknown_key', false, issue([agent.agentId], claims, foreignIssuer)[0]!],
      ['bad_signature', false, { ...good, jws: `${head}.${changed}.${signature}` }],
      ['malformed', false, { ...good, jws: 'nonsense' }],
      ['malformed', false, { ...good, id: `${good.id}x` }],
      ['wrong_org', false, issue([agent.agentId], { ...claims, org: 'globex' })[0]!],
      ['not_a_target', false, issue([other.agentId], claims)[0]!],
      ['not_a_target', false, { ...good, binding: { pid: 1 } }],
      ['not_a_target', false, { ...good, number: 2 }],
      ['expired', true, issue([agent.agentId], { ...claims, exp: past })[0]!],
      ['not_yet_valid', true, issue([agent.agentId], { ...claims, iat: past + 3_600 })[0]!],
      ['unknown_action', true, issue([agent.agentId], { action: 'process.maim' })[0]!],
      ['platform', true, issue([agent.agentId], { action: 'registry.delete_key' })[0]!],
      ['bad_params', true, issue([agent.agentId], { action: 'process.kill', params: { pid: 'x' } })[0]!],
    ];
    for (const [code, authentic, body] of cases) {
      const before = reports().length;
      send(body, agent);
      await gateway.until(() => reports().length > before);
      expect(reports().slice(before)).toMatchObject([{ id: body.id, number: body.number, code, authentic }]);
      gateway.send(agent.agentId, keptFrame(body));
    }
    expect(fleet.oracle.total).toBe(0);
  });

  it('pinned roots survive a later enrolment with other roots', async () => {
    await start();
    const foreignIssuer = await newIssuer();
    one().reenrolled({ ...one().identity, token: 'new', trust: foreignIssuer.roots });
    expect(one().identity).toMatchObject({ token: 'new', trust: issuer.roots });
  });

  it('agents that crash after a run report what was recorded, and never run it again', async () => {
    await start({ agents: 12, commands: { crashing: 1, restartMs: 50 } });
    const command = toAll({ action: 'dns.flush' });
    sendAll(command);
    await gateway.until(() => reports().length === 12);
    sendAll(command);
    await gateway.until(() => reports().length === 24);
    expect(fleet.stats.crashes).toBe(12);
    expect(fleet.oracle.total).toBe(12);
    const reported = new Map(reports().map(({ agentId, code }) => [agentId, code]));
    for (const { agentId, result } of fleet.oracle.all) {
      expect([result, reported.get(agentId)]).toEqual(
        result === 'succeeded' ? [result, 'ok'] : ['interrupted', 'interrupted'],
      );
    }
    expect(new Set(reported.values())).toEqual(new Set(['ok', 'interrupted']));
  });

  it('a crash interrupts the running command; a waiting command runs when it is delivered again', async () => {
    await start({ commands: { slow: 1, slowMs: 60_000, restartMs: 10 } });
    const [first, second] = [toAll({ action: 'dns.flush' }), toAll({ action: 'arp.flush' })];
    for (const command of [first, second]) sendAll(command);
    await gateway.until(() => states().length === 2);
    // Both are in one lane: the second one waits for the first.
    expect(states()).toEqual(['running', 'accepted']);
    one().crash();
    await gateway.until(() => states().length === 3);
    expect(reports()[2]).toMatchObject({ id: first[0]!.id, state: 'failed', code: 'interrupted' });
    sendAll(second);
    await gateway.until(() => states().length === 4);
    expect(reports().slice(3)).toMatchObject([{ id: second[0]!.id, state: 'running' }]);
    expect(fleet.oracle.all.map(({ command, result }) => [command, result])).toEqual([
      [first[0]!.id, 'interrupted'],
      [second[0]!.id, 'running'],
    ]);
  });

  it('a cancel ends a waiting command, a running one, and one that arrives later', async () => {
    await start({ commands: { slow: 1, slowMs: 60_000 } });
    const [runs, waits, comes] = [1, 2, 3].map(() => toAll({ action: 'dns.flush' })) as [
      CommandBody[],
      CommandBody[],
      CommandBody[],
    ];
    for (const command of [runs, waits]) sendAll(command);
    for (const command of [waits, runs, comes]) gateway.send(one().agentId, cancelFrame(command[0]!));
    sendAll(comes);
    await gateway.until(() => states().filter((state) => state === 'cancelled').length === 4);
    expect(fleet.oracle.all.map(({ command, result }) => [command, result])).toEqual([[runs[0]!.id, 'cancelled']]);
  });

  it('a run that takes longer than its timeout is ended', async () => {
    await start({ commands: { runMs: [60_000, 60_000] } });
    sendAll(toAll({ action: 'dns.flush', timeoutMs: 30 }));
    await gateway.until(() => states().length === 2);
    expect(states()).toEqual(['running', 'timed_out']);
    expect(fleet.oracle.all[0]?.result).toBe('timed_out');
  });

  it('runs fail and reports are duplicated in the configured shares', async () => {
    await start({ agents: 60, commands: { failing: 0.5, runMs: [1, 40], duplicating: 1 } });
    sendAll(toAll({ action: 'dns.flush' }));
    const ended = (): readonly Report[] => reports().filter(({ state }) => state === 'failed' || state === 'succeeded');
    await gateway.until(() => ended().length >= 120);
    const failed = fleet.oracle.all.filter(({ result }) => result === 'failed').length;
    expect(failed).toBeGreaterThan(15);
    expect(failed).toBeLessThan(45);
    // Each report is sent twice, and twice again when it is not kept within a second.
    expect(ended().filter(({ state }) => state === 'failed').length / (2 * failed)).toBeGreaterThanOrEqual(1);
  });

  it('agents without commands do not have the capability', async () => {
    await start({ commands: { capable: false } });
    expect([...gateway.sessions.values()][0]?.hello.capabilities).not.toContain('command');
  });
});
