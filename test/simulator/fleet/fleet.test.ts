import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeBody, decodeRows, encodeBody, encodeFrame, FRAME } from '@muster/protocol';
import { FakeGateway } from '../testing/fake-gateway.js';
import { Fleet } from './fleet.js';
import type { FleetOptions } from '../agent/fleet-options.js';

describe.each(['live', 'poll'] as const)('a simulated fleet (%s)', (mode) => {
  let gateway: FakeGateway;
  let url: string;
  let fleet: Fleet;

  beforeEach(async () => {
    gateway = new FakeGateway();
    url = await gateway.listen();
  });

  afterEach(async () => {
    await fleet.stop();
    await gateway.stop();
  });

  const start = async (options: Partial<FleetOptions> = {}): Promise<void> => {
    const channel = { mode, pollIntervalMs: 20 };
    fleet = new Fleet({ gateways: [url], org: 'acme', enrolSecret: 's', agents: 40, channel, ...options });
    await fleet.start();
  };

  const frames = (count: number): Promise<void> => gateway.until(() => gateway.received.length >= count);

  it('enrols, proves possession of each key and becomes live', async () => {
    await start();
    expect(gateway.sessions.size).toBe(40);
    expect(fleet.count('ready')).toBe(40);
    expect(new Set([...gateway.sessions.values()].map(({ hello }) => hello.facts.host)).size).toBe(40);
  });

  it('is the same at every start with the same seed', async () => {
    await start();
    const before = [...gateway.sessions.keys()].sort();
    await fleet.stop();
    await start({ identities: fleet.identities() });
    expect(fleet.agents.map((agent) => agent.agentId).sort()).toEqual(before);
    expect(fleet.stats.enrolled).toBe(0);
  });

  it('answers SQL, and its expected result equals what went over the wire', async () => {
    await start();
    const sql = 'SELECT name, version FROM deb_packages ORDER BY name';
    gateway.ask(5, { sql, columns: ['name', 'version'] });
    const expected = fleet.expected(sql, 2);
    await frames(40);
    const answers = gateway.received.filter(({ type }) => type === FRAME.rows);
    expect(answers.filter(({ body }) => body.length > 0)).toHaveLength(expected.answered);
    expect(answers.filter(({ body }) => body.length === 0)).toHaveLength(expected.empty);
    expect(gateway.received.filter(({ type }) => type === FRAME.queryEnd)).toHaveLength(expected.ended.refused ?? 0);
    const rows = answers.flatMap(({ body }) => decodeRows(body, 2));
    expect(rows).toHaveLength(expected.groups.reduce((sum, group) => sum + group.copies, 0));
    expect(expected.answered).toBeGreaterThan(10);
    expect(expected.groups.length).toBeGreaterThan(100);
  });

  it('refuses a table that its operating system lacks', async () => {
    await start();
    gateway.ask(5, { sql: 'SELECT name, version FROM programs' });
    await frames(40);
    const refused = gateway.received.filter(({ type }) => type === FRAME.queryEnd);
    const end = decodeBody('queryEnd', refused[0]!.body);
    expect(end).toMatchObject({ ok: true, body: { outcome: 'refused', code: 'unsupported_table' } });
    expect(refused.length).toBe(fleet.agents.filter(({ machine }) => machine.profile.os !== 'windows').length);
  });

  it('sends no more than its credit, and continues when more arrives', async () => {
    await start({ agents: 1, uniform: true });
    const sql = 'SELECT name, version FROM deb_packages a, (SELECT 1 UNION SELECT 2 UNION SELECT 3)';
    gateway.ask(5, { sql, credit: 10 });
    await frames(1);
    const sent = (): number => gateway.received.reduce((sum, { body }) => sum + body.length, 0);
    // Not even one row fits: an empty frame that is not final requests more credit.
    expect(gateway.received).toMatchObject([{ type: FRAME.rows, final: false, body: { length: 0 } }]);
    const [session] = gateway.sessions.values();
    const grant = (bytes: number): void => session!.send(encodeFrame(FRAME.credit, 5, encodeBody('credit', { bytes })));
    grant(5_000);
    await frames(3);
    expect(sent()).toBeLessThanOrEqual(5_010);
    expect(sent()).toBeGreaterThan(4_900);
    expect(gateway.received.some(({ final }) => final)).toBe(false);
    grant(1_000_000);
    await gateway.until(() => gateway.received.at(-1)?.final === true);
    const all = Buffer.concat(gateway.received.map(({ body }) => body));
    expect(decodeRows(all, 2)).toHaveLength(fleet.expected(sql, 2).groups.reduce((sum, { copies }) => sum + copies, 0));
  });

  it('has failing, silent, slow and disappearing agents in the configured shares', async () => {
    await start({
      agents: 200,
      uniform: true,
      slowMs: 20,
      behaviour: { slow: 0.25, failing: 0.25, silent: 0.25, disappearing: 0.25 },
    });
    const of = (kind: string): number => fleet.agents.filter(({ behaviour }) => behaviour === kind).length;
    for (const kind of ['slow', 'failing', 'silent', 'disappearing']) {
      expect(of(kind)).toBeGreaterThan(30);
      expect(of(kind)).toBeLessThan(70);
    }
    gateway.ask(5, { sql: 'SELECT name, version FROM deb_packages' });
    await frames(of('slow') + of('failing'));
    expect(gateway.received.filter(({ type }) => type === FRAME.rows)).toHaveLength(of('slow'));
    await fleet.waitFor(() => fleet.count('waiting') === of('disappearing'));
    expect(fleet.count('ready')).toBe(200 - of('disappearing'));
  });

  it('reconnects after a lost connection, but not after a permanent close code', async () => {
    await start({ agents: 4 });
    const [first, second] = [...gateway.sessions.values()];
    first!.close(4502);
    second!.drop();
    await fleet.waitFor(
      () => fleet.count('excluded') === 1 && fleet.count('ready') === 3 && gateway.history.length === 5,
    );
    expect(gateway.sessions.has(first!.agentId)).toBe(false);
    expect(gateway.sessions.has(second!.agentId)).toBe(true);
  });

  it('opens its next session before it leaves the old one after RECONNECT', async () => {
    await start({ agents: 1 });
    const [session] = gateway.sessions.values();
    const body = encodeBody('reconnect', { afterMs: 0, spreadMs: 0, reason: 'draining' });
    session!.send(encodeFrame(FRAME.reconnect, 0, body));
    expect(await session!.closed).toBe(1000);
    expect(gateway.history).toHaveLength(2);
    expect(fleet.count('ready')).toBe(1);
  });

  it('does not reconnect after a permanent refusal', async () => {
    gateway.refuseUpgradesWith = 403;
    gateway.poll.refuseWith = 403;
    await start({ agents: 3 });
    expect(fleet.count('excluded')).toBe(3);
  });

  it('kills the given share of agents, and returns these agents', async () => {
    await start({ agents: 30 });
    const killed = fleet.kill(1 / 3);
    expect(killed).toHaveLength(10);
    expect(fleet.count('ready')).toBe(20);
    expect(fleet.count('stopped')).toBe(10);
  });
});
