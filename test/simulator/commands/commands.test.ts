import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeBody, FRAME, type CommandBody, type CommandClaims, type ReportBody } from '@muster/protocol';
import type { SimulatedAgent } from '../agent.js';
import { FakeGateway } from '../fake-gateway.js';
import { Fleet } from '../fleet.js';
import type { FleetOptions } from '../fleet-options.js';
import { cancelFrame, commandFrame, FakeOrders, keptFrame, type GivenOrder } from './fake-orders.js';

type Report = ReportBody & { readonly agentId: string };

describe('commands on simulated agents', () => {
  let orders: FakeOrders;
  let gateway: FakeGateway;
  let url: string;
  let fleet: Fleet;
  let decoded: Report[];
  let looked: number;

  beforeAll(async () => {
    orders = await FakeOrders.create();
  });
  beforeEach(async () => {
    gateway = new FakeGateway();
    [decoded, looked] = [[], 0];
    gateway.trust = orders.trust;
    gateway.commandKeys = orders.keyList;
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
  /** All so far; each is decoded once. */
  const reports = (): readonly Report[] => {
    for (; looked < gateway.received.length; looked += 1) {
      const { agentId, type, body } = gateway.received[looked]!;
      const report = type === FRAME.report ? decodeBody('report', body) : undefined;
      if (report?.ok === true) decoded.push({ agentId, ...report.body });
    }
    return decoded;
  };
  const states = (): string[] => reports().map(({ state }) => state);

  async function until(holds: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      gateway.onFrame = () => {
        if (holds()) resolve();
      };
      gateway.onFrame();
    });
  }

  const give = (body: CommandBody, agent = one()): void => gateway.send(agent.agentId, commandFrame(body));
  function giveAll(order: GivenOrder): void {
    order.bodies.forEach((body, i) => give(body, fleet.agents[i]!));
  }
  const toAll = (claims: Partial<CommandClaims> & Pick<CommandClaims, 'action'>): GivenOrder =>
    orders.order(
      fleet.agents.map(({ agentId }) => agentId),
      claims,
    );

  it('each one runs it once, and repeats what it reports until that is kept', async () => {
    await start({ agents: 20 });
    const order = toAll({ action: 'dns.flush' });
    giveAll(order);
    await until(() => reports().length === 20);
    expect(new Set(states())).toEqual(new Set(['succeeded']));
    expect(new Map(fleet.oracle.all.map(({ number, result }) => [number, result]))).toEqual(
      new Map(order.bodies.map(({ number }) => [number, 'succeeded'])),
    );
    const [kept, ...others] = fleet.agents;
    gateway.send(kept!.agentId, keptFrame(order.bodies[0]!));
    await until(() =>
      others.every(({ agentId }) => reports().filter((report) => report.agentId === agentId).length > 1),
    );
    expect(reports().filter(({ agentId }) => agentId === kept!.agentId)).toHaveLength(1);
    expect(fleet.oracle.total).toBe(20);
  });

  it('an order that comes again is answered with what is known, and does not run again', async () => {
    await start();
    const order = toAll({ action: 'dns.flush' });
    giveAll(order);
    await until(() => states().length === 1);
    giveAll(order);
    await until(() => states().length === 2);
    one().crash();
    await until(() => states().length === 3);
    giveAll(order);
    await until(() => states().length === 4);
    expect(new Set(states())).toEqual(new Set(['succeeded']));
    expect(fleet.oracle.runs(one().agentId, order.id, 1)).toBe(1);
    expect(fleet.oracle.doubled()).toEqual([]);
  });

  it('what was killed is gone, as a later query shows, and the sums know it', async () => {
    await start();
    const sql = "SELECT pid, name FROM processes WHERE name = 'nginx'";
    expect(fleet.expected(sql, 2).answered).toBe(1);
    giveAll(toAll({ action: 'process.kill', params: { name: 'nginx' }, dryRun: true }));
    await until(() => states().length === 1);
    expect(reports()[0]).toMatchObject({ state: 'succeeded', code: 'dry_run' });
    expect(reports()[0]?.effects?.[0]).toMatch(/^would kill nginx/);
    expect(fleet.expected(sql, 2).answered).toBe(1);
    giveAll(toAll({ action: 'process.kill', params: { name: 'nginx' } }));
    await until(() => states().length === 2);
    expect(reports()[1]?.effects).toHaveLength(5);
    expect(fleet.expected(sql, 2)).toMatchObject({ answered: 0, empty: 1 });
    gateway.ask(5, { sql });
    await until(() => gateway.received.some(({ type, final }) => type === FRAME.rows && final));
    expect(gateway.received.find(({ type }) => type === FRAME.rows)?.body).toHaveLength(0);
  });

  it('a row that has moved on is refused, the very row is not', async () => {
    await start();
    const { groups } = fleet.expected("SELECT pid, start_time, path FROM processes WHERE name = 'cron'", 3);
    const [pid, start_time, path] = groups[0]!.row as [number, number, string];
    const bound = (change: object): void => {
      const order = orders.order([[one().agentId, { pid, start_time, path, ...change }]], { action: 'process.kill' });
      giveAll(order);
    };
    bound({ start_time: start_time + 1 });
    await until(() => reports().length === 1);
    bound({});
    await until(() => reports().length === 2);
    bound({});
    await until(() => reports().length === 3);
    expect(reports().map(({ state, code }) => `${state} ${code}`)).toEqual([
      'refused changed',
      'succeeded ok',
      'succeeded unchanged',
    ]);
  });

  it('undo puts back what was stopped', async () => {
    await start();
    const sql = "SELECT id, active_state FROM systemd_units WHERE id = 'nginx.service'";
    const state = (): unknown => fleet.expected(sql, 2).groups[0]?.row[1];
    const stop = toAll({ action: 'service.stop', params: { name: 'nginx' } });
    giveAll(stop);
    await until(() => reports().length === 1);
    expect(state()).toBe('inactive');
    const undo = { action: 'undo', params: { command: stop.id } };
    for (const round of [2, 3]) {
      giveAll(orders.order([[one().agentId, { target: 1 }]], undo));
      await until(() => reports().length === round);
    }
    expect(state()).toBe('active');
    expect(reports().map(({ code }) => code)).toEqual(['ok', 'ok', 'nothing_kept']);
  });

  it('nothing that is forged, changed, swapped or expired runs', async () => {
    await start({ agents: 2 });
    const [agent, other] = [fleet.agents[0]!, fleet.agents[1]!];
    const strangers = await FakeOrders.create();
    const claims = { action: 'process.kill', params: { name: 'nginx' } };
    const good = orders.order([agent.agentId, other.agentId], claims).bodies[0]!;
    const [head, , signature] = good.jws.split('.');
    const payload = JSON.parse(Buffer.from(good.jws.split('.')[1]!, 'base64url').toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...payload, params: { name: 'cron' } })).toString('base64url');
    const past = Math.floor(Date.now() / 1_000) - 10;
    const cases: readonly [string, boolean, CommandBody][] = [
      ['unknown_key', false, strangers.order([agent.agentId], claims).bodies[0]!],
      ['bad_signature', false, { ...good, jws: `${head}.${changed}.${signature}` }],
      ['malformed', false, { ...good, jws: 'nonsense' }],
      ['malformed', false, { ...good, id: `${good.id}x` }],
      ['wrong_org', false, orders.order([agent.agentId], { ...claims, org: 'globex' }).bodies[0]!],
      ['not_a_target', false, orders.order([other.agentId], claims).bodies[0]!],
      ['not_a_target', false, { ...good, binding: { pid: 1 } }],
      ['not_a_target', false, { ...good, number: 2 }],
      ['expired', true, orders.order([agent.agentId], { ...claims, exp: past }).bodies[0]!],
      ['not_yet_valid', true, orders.order([agent.agentId], { ...claims, iat: past + 3_600 }).bodies[0]!],
      ['unknown_action', true, orders.order([agent.agentId], { action: 'process.maim' }).bodies[0]!],
      ['platform', true, orders.order([agent.agentId], { action: 'registry.delete_key' }).bodies[0]!],
      ['bad_params', true, orders.order([agent.agentId], { action: 'process.kill', params: { pid: 'x' } }).bodies[0]!],
    ];
    for (const [code, authentic, body] of cases) {
      const before = reports().length;
      give(body, agent);
      await until(() => reports().length > before);
      expect(reports().slice(before)).toMatchObject([{ id: body.id, number: body.number, code, authentic }]);
      gateway.send(agent.agentId, keptFrame(body));
    }
    expect(fleet.oracle.total).toBe(0);
  });

  it('roots stay pinned, whatever a later enrolment says', async () => {
    await start();
    const strangers = await FakeOrders.create();
    one().enrolledAgain({ ...one().identity, token: 'new', trust: strangers.trust.keys });
    expect(one().identity).toMatchObject({ token: 'new', trust: orders.trust.keys });
  });

  it('agents that crash after a run say what they know, and never run it again', async () => {
    await start({ agents: 12, commands: { crashing: 1, restartMs: 50 } });
    const order = toAll({ action: 'dns.flush' });
    giveAll(order);
    await until(() => reports().length === 12);
    giveAll(order);
    await until(() => reports().length === 24);
    expect(fleet.stats.crashes).toBe(12);
    expect(fleet.oracle.total).toBe(12);
    const said = new Map(reports().map(({ agentId, code }) => [agentId, code]));
    for (const { agentId, result } of fleet.oracle.all) {
      expect([result, said.get(agentId)]).toEqual(
        result === 'succeeded' ? [result, 'ok'] : ['interrupted', 'interrupted'],
      );
    }
    expect(new Set(said.values())).toEqual(new Set(['ok', 'interrupted']));
  });

  it('an agent that crashes while it runs was interrupted; what it had not begun runs when it comes again', async () => {
    await start({ commands: { slow: 1, slowMs: 60_000, restartMs: 10 } });
    const [first, second] = [toAll({ action: 'dns.flush' }), toAll({ action: 'arp.flush' })];
    for (const order of [first, second]) giveAll(order);
    await until(() => states().length === 2);
    // Both are of one lane: the second one waits for the first.
    expect(states()).toEqual(['running', 'accepted']);
    one().crash();
    await until(() => states().length === 3);
    expect(reports()[2]).toMatchObject({ id: first.id, state: 'failed', code: 'interrupted' });
    giveAll(second);
    await until(() => states().length === 4);
    expect(reports().slice(3)).toMatchObject([{ id: second.id, state: 'running' }]);
    expect(fleet.oracle.all.map(({ command, result }) => [command, result])).toEqual([
      [first.id, 'interrupted'],
      [second.id, 'running'],
    ]);
  });

  it('cancels what waits, what runs, and what has not come yet', async () => {
    await start({ commands: { slow: 1, slowMs: 60_000 } });
    const [runs, waits, comes] = [1, 2, 3].map(() => toAll({ action: 'dns.flush' })) as [
      GivenOrder,
      GivenOrder,
      GivenOrder,
    ];
    for (const order of [runs, waits]) giveAll(order);
    for (const { bodies } of [waits, runs, comes]) gateway.send(one().agentId, cancelFrame(bodies[0]!));
    giveAll(comes);
    await until(() => states().filter((state) => state === 'cancelled').length === 4);
    expect(fleet.oracle.all.map(({ command, result }) => [command, result])).toEqual([[runs.id, 'cancelled']]);
  });

  it('a run that takes longer than its time is ended', async () => {
    await start({ commands: { runMs: [60_000, 60_000] } });
    giveAll(toAll({ action: 'dns.flush', timeoutMs: 30 }));
    await until(() => states().length === 2);
    expect(states()).toEqual(['running', 'timed_out']);
    expect(fleet.oracle.all[0]?.result).toBe('timed_out');
  });

  it('fails, takes its time and says things twice in the shares asked for', async () => {
    await start({ agents: 60, commands: { failing: 0.5, runMs: [1, 40], duplicating: 1 } });
    giveAll(toAll({ action: 'dns.flush' }));
    const ended = (): readonly Report[] => reports().filter(({ state }) => state === 'failed' || state === 'succeeded');
    await until(() => ended().length >= 120);
    const failed = fleet.oracle.all.filter(({ result }) => result === 'failed').length;
    expect(failed).toBeGreaterThan(15);
    expect(failed).toBeLessThan(45);
    // Twice at once; who was not heard for a second says it twice more.
    expect(ended().filter(({ state }) => state === 'failed').length / (2 * failed)).toBeGreaterThanOrEqual(1);
  });

  it('agents that take no commands do not say that they do', async () => {
    await start({ commands: { capable: false } });
    expect([...gateway.sessions.values()][0]?.hello.capabilities).not.toContain('command');
  });
});
