import { encodeBusMessage, SUBJECTS, type CommandRequest } from '@muster/messages';
import { commandLedgerBalances, isTerminal, type CommandId } from '@muster/protocol';
import {
  CommandFold,
  decodeJournalEntry,
  parseCommandSubject,
  STREAMS,
  type JournalEntry,
  RequestKeys,
} from '@muster/records';
import { FaultyNetwork, Random } from './faulty-network.js';
import { ANN, BOB, CommandHarness, ORG, type TestKeys } from './command-harness.js';
import type { FakeAgent } from './fake-agent.js';
import type { FakeGateway } from './fake-gateway.js';

const STEP_MS = 250;
const STEPS = 100;
/** The journal's message for a target that was never sent. */
const NEVER_TRIED = 'not connected before it expired';
const OUTCOMES = ['succeeded', 'succeeded', 'succeeded', 'failed', 'unsupported'] as const;

/**
 * One run of the whole protocol over a faulty network, followed by a time without faults. All events follow from the seed.
 */
export class FuzzRun {
  readonly harness: CommandHarness;
  readonly #random: Random;
  readonly #network: FaultyNetwork;
  readonly #agents: FakeAgent[] = [];
  readonly #gateways: FakeGateway[] = [];
  readonly #asked: Promise<unknown>[] = [];
  readonly #ids: CommandId[] = [];
  readonly #histories = new Map<CommandId, JournalEntry[]>();
  readonly #keys = new RequestKeys();
  readonly #folds = new Map<CommandId, CommandFold>();
  #readUpTo = 0;
  #gatewayCount = 0;

  constructor(seed: number, keys: TestKeys, policyFile: string) {
    this.#random = new Random(seed);
    this.harness = new CommandHarness({ keys, policyFile, wrap: (broker) => this.#network.wrap(broker) });
    this.#network = new FaultyNetwork(this.#random, this.harness.clock);
  }

  async run(): Promise<void> {
    await this.harness.open();
    const random = this.#random;
    for (let i = 0; i < 4 + random.below(5); i += 1) {
      const slow = random.chance(0.3) ? 4_000 : 400;
      const behaviour = {
        ...{ queueMs: () => random.below(slow), runMs: () => random.below(slow) },
        outcome: () => random.pick(OUTCOMES),
      };
      this.#agents.push(await this.harness.agent(behaviour, { env: random.chance(0.5) ? 'prod' : 'dev' }));
    }
    for (let i = 0; i < 1 + random.below(3); i += 1) await this.harness.service();
    for (let i = 0; i < 2; i += 1) this.#addGateway();
    this.#network.faults = {
      ...{ drop: random.next() * 0.25, double: random.next() * 0.25, delay: random.next() * 0.5 },
      ...{ maxDelayMs: 1 + random.below(3_000), lostAck: random.next() * 0.2 },
    };
    for (let step = 0; step < STEPS; step += 1) {
      await this.#act();
      await this.#pass(STEP_MS);
    }
    await this.#recover();
    await Promise.allSettled(this.#asked);
  }

  violations(): string[] {
    return [...this.#histories].flatMap(([id, entries]) => {
      const [first] = entries;
      if (first?.t !== 'submitted') return [`${id}: starts with ${first?.t}`];
      return this.#folds.has(id) ? this.#violationsOf(id, first.record, entries) : this.#violationsOfVoid(id);
    });
  }

  get folds(): ReadonlyMap<CommandId, CommandFold> {
    return this.#folds;
  }

  async #act(): Promise<void> {
    const random = this.#random;
    const what = random.below(100);
    if (what < 30) this.#submit();
    else if (what < 38) this.#onSome((id) => ({ t: 'cancel', org: ORG, caller: ANN, id }));
    else if (what < 48) this.#onSome((id) => ({ t: 'approve', org: ORG, caller: random.chance(0.8) ? BOB : ANN, id }));
    else if (what < 56) this.#drop(random.pick(this.#agents), random.chance(0.5));
    else if (what < 76) this.#join(random.pick(this.#agents));
    else if (what < 79) await this.#killService();
    else if (what < 82 && this.harness.services.length < 3) await this.harness.service();
    else if (what < 85) this.#killGateway();
    else if (what < 87) this.harness.registry.store.available = !this.harness.registry.store.available;
    else if (what < 88) this.harness.registry.store.empty();
    else if (what < 90) await this.#outage();
  }

  #submit(): void {
    const random = this.#random;
    const rollout = {
      canary: 1,
      step: random.chance(0.5) ? 1 : '50%',
      pauseMs: random.below(2_000),
      abortOver: random.next(),
    } as const;
    const request = this.harness.request({
      target: random.chance(0.5) ? { selector: '' } : { agentIds: [random.pick(this.#agents).agentId] },
      // The policy requires approval for this action.
      action: random.chance(0.2) ? 'dns.flush' : 'process.kill',
      params: {},
      expiresInMs: 2_000 + random.below(30_000),
      timeoutMs: 5_000,
      ...(random.chance(0.3) ? { rollout } : {}),
      ...(random.chance(0.4) ? { requestKey: `key-${random.below(6)}` } : {}),
    });
    this.#ask(request.action === 'dns.flush' ? request : { ...request, params: { name: 'abc.exe' } });
  }

  #onSome(make: (id: CommandId) => CommandRequest): void {
    if (this.#ids.length > 0) this.#ask(make(this.#random.pick(this.#ids.slice(-6))));
  }

  #ask(request: CommandRequest): void {
    const { bus } = this.harness.connection;
    const times = this.#random.chance(0.2) ? 2 : 1;
    for (let i = 0; i < times; i += 1) {
      this.#asked.push(bus.request(SUBJECTS.commands, encodeBusMessage(request), { timeoutMs: 1 }));
    }
  }

  #join(agent: FakeAgent): void {
    if (this.#gateways.length === 0) this.#addGateway();
    for (const gateway of this.#gateways) gateway.disconnect(agent);
    this.#random.pick(this.#gateways).connect(agent);
  }

  #drop(agent: FakeAgent, crash: boolean): void {
    for (const gateway of this.#gateways) gateway.disconnect(agent);
    if (crash) agent.crash();
  }

  #addGateway(): void {
    const bus = this.#network.bus(this.harness.connection.bus);
    this.#gateways.push(this.harness.gateway(`gw-${(this.#gatewayCount += 1)}`, this.#network.carry, bus));
  }

  #killGateway(): void {
    const gateway = this.#random.pick(this.#gateways);
    this.#gateways.splice(this.#gateways.indexOf(gateway), 1);
    gateway.die();
    this.#addGateway();
  }

  async #killService(): Promise<void> {
    const { services } = this.harness;
    if (services.length > 0) await this.#random.pick(services).kill();
    if (this.#random.chance(0.6)) await this.harness.service();
  }

  async #outage(): Promise<void> {
    this.harness.broker.interrupt();
    await this.#pass(this.#random.below(3_000));
    this.harness.broker.restore();
    // A gateway does this when its connection is back.
    for (const gateway of this.#gateways) gateway.announce();
  }

  /** All faults end and all agents are connected: every open command must end. */
  async #recover(): Promise<void> {
    this.#network.faults = { drop: 0, double: 0, delay: 0, maxDelayMs: 0, lostAck: 0 };
    this.harness.registry.store.available = true;
    if (this.harness.services.length === 0) await this.harness.service();
    for (const agent of this.#agents) this.#join(agent);
    for (let second = 0; second < 120 && (second < 8 || this.#openCount > 0); second += 1) await this.#pass(1_000);
  }

  get #openCount(): number {
    return [...this.#folds.values()].filter((fold) => fold.status !== 'ended').length;
  }

  async #pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await this.harness.clock.advanceAsync(STEP_MS);
      for (const agent of this.#agents) agent.tick();
    }
    await this.#readJournal();
  }

  async #readJournal(): Promise<void> {
    // Without a broker the read would wait.
    if (!this.harness.connection.bus.connected) return;
    const options = { fromSeq: this.#readUpTo + 1 };
    for await (const { subject, data, seq } of this.harness.connection.streams.read(STREAMS.commands.name, options)) {
      this.#readUpTo = seq;
      const id = parseCommandSubject(subject)?.id as CommandId;
      const entry = decodeJournalEntry(data);
      const history = this.#histories.get(id) ?? [];
      this.#histories.set(id, history);
      history.push(entry);
      if (history.length === 1) {
        this.#ids.push(id);
        if (entry.t === 'submitted' && this.#keys.take(entry.record))
          this.#folds.set(id, new CommandFold(entry.record));
      }
      this.#folds.get(id)?.apply(entry);
    }
  }

  #violationsOfVoid(id: CommandId): string[] {
    return this.#agents.flatMap((agent) =>
      [...agent.starts.keys()].some((key) => key.startsWith(`${id}/`)) ? [`${id}: void, and yet it ran`] : [],
    );
  }

  #violationsOf(id: CommandId, record: CommandFold['record'], entries: readonly JournalEntry[]): string[] {
    const violations: string[] = [];
    const fold = new CommandFold(record);
    const everSent = new Set<number>();
    for (const entry of entries) {
      for (const { outcome, targets } of fold.apply(entry).changes) {
        if (outcome.state === 'sent') for (const target of targets) everSent.add(target);
      }
      if (!commandLedgerBalances(fold.ledger)) violations.push(`${id}: the ledger does not balance`);
    }
    if (fold.status !== 'ended') violations.push(`${id}: ${fold.status} after all: ${JSON.stringify(fold.ledger)}`);
    for (let number = 1; number <= fold.nums.length; number += 1) {
      const agent = this.#agents.find(({ num }) => num === fold.nums[number - 1]);
      if (agent === undefined) throw new Error('an unknown agent');
      const where = `${id}/${number}`;
      const state = fold.state(number);
      const starts = agent.startsOf(id, number);
      const reported = agent.outcomeOf(id, number);
      if (everSent.has(number) && fold.outcome(number)?.message === NEVER_TRIED) {
        violations.push(`${where}: called expired for never having been tried, and was sent`);
      }
      if (!isTerminal(state)) violations.push(`${where}: ${state} after all`);
      if (starts > 1) violations.push(`${where}: ran ${starts} times`);
      if (!everSent.has(number) && (starts > 0 || reported !== undefined))
        violations.push(`${where}: ${reported}, and was never sent`);
      if (state === 'succeeded' && (reported !== 'succeeded' || starts !== 1))
        violations.push(`${where}: succeeded, but the agent says ${reported}`);
      if (reported !== undefined && reported !== state && fold.late(number)?.state !== reported) {
        violations.push(`${where}: ${state}, late ${fold.late(number)?.state}, but the agent says ${reported}`);
      }
      if (record.approval !== undefined && fold.signature === undefined && starts > 0)
        violations.push(`${where}: ran without approval`);
    }
    return violations;
  }
}
