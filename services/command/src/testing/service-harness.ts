import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type CommandReply,
  type CommandRequest,
  type CommandSummary,
  type SubmitCommand,
} from '@muster/messages';
import { base32, newGatewayId, type AgentId, type CommandId } from '@muster/protocol';
import { CommandFold, decodeJournalEntry, STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { openRedisRegistry, type Registry } from '@muster/registry';
import { silentLogger, systemClock } from '@muster/runtime';
import { startBrokers, TestProcess, type TestBrokers } from '@muster/testkit';
import { commandOf, enrolAgent, makeTestKeys, ORG, submitRequest, type TestKeys } from './command-harness.js';
import { FakeAgent, type AgentBehaviour } from './fake-agent.js';
import { FakeGateway } from './fake-gateway.js';

/** Real brokers and command service processes, with fake agents and gateways. */
export class ServiceHarness {
  readonly keys: TestKeys;
  readonly folder: string;
  readonly brokers: TestBrokers;
  readonly broker: Broker;
  readonly registry: Registry;
  readonly services: TestProcess[] = [];
  readonly gateways: FakeGateway[] = [];
  readonly #ticking: NodeJS.Timeout;

  private constructor(parts: Pick<ServiceHarness, 'keys' | 'folder' | 'brokers' | 'broker' | 'registry'>) {
    ({ keys: this.keys, folder: this.folder, brokers: this.brokers } = parts);
    ({ broker: this.broker, registry: this.registry } = parts);
    this.#ticking = setInterval(() => {
      for (const { agents } of this.gateways) for (const agent of agents) agent.tick();
    }, 200);
  }

  static async open(): Promise<ServiceHarness> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-command-'));
    const keys = await makeTestKeys();
    await writeFile(join(folder, 'keys.json'), JSON.stringify(keys.signing), { mode: 0o600 });
    await writeFile(join(folder, 'keys.jws'), keys.list);
    await writeFile(join(folder, 'policy.json'), JSON.stringify({ approval: [{ actions: ['dns.*'] }] }));
    const brokers = await startBrokers();
    const broker = await connectNats({ servers: [brokers.nats.url], name: 'command test', logger: silentLogger });
    const registry = await openRedisRegistry({ url: brokers.redis.url, logger: silentLogger });
    await broker.streams.ensure(Object.values(STREAMS));
    return new ServiceHarness({ keys, folder, brokers, broker, registry });
  }

  async startService(): Promise<TestProcess> {
    const service = await TestProcess.start({
      main: fileURLToPath(new URL('../main.js', import.meta.url)),
      env: {
        MUSTER_NATS_URL: this.brokers.nats.url,
        // It makes the streams that it needs.
        MUSTER_NATS_RIGHTS: 'all',
        MUSTER_REDIS_URL: this.brokers.redis.url,
        MUSTER_HEALTH_HOST: '127.0.0.1',
        MUSTER_HEALTH_PORT: '0',
        MUSTER_COMMAND_KEYS_FILE: join(this.folder, 'keys.json'),
        MUSTER_COMMAND_KEY_LIST_FILE: join(this.folder, 'keys.jws'),
        MUSTER_COMMAND_POLICY_FILE: join(this.folder, 'policy.json'),
      },
    });
    this.services.push(service);
    return service;
  }

  /** Enrolled agents, not connected. */
  async agents(count: number, behaviour: Partial<AgentBehaviour> = {}): Promise<FakeAgent[]> {
    const agents: FakeAgent[] = [];
    while (agents.length < count) {
      const more = Array.from({ length: Math.min(500, count - agents.length) }, () => this.#agent(behaviour));
      agents.push(...(await Promise.all(more)));
    }
    return agents;
  }

  async #agent(behaviour: Partial<AgentBehaviour>): Promise<FakeAgent> {
    const agentId = base32(crypto.getRandomValues(new Uint8Array(15))) as AgentId;
    const num = await enrolAgent(this.broker.streams, agentId, `host-${agentId}`);
    return new FakeAgent({ agentId, org: ORG, num, clock: systemClock, behaviour, roots: this.keys.roots });
  }

  /** A gateway that holds a lease for as long as the test may take, and these agents' sessions. */
  async gateway(agents: readonly FakeAgent[]): Promise<FakeGateway> {
    const gateway = new FakeGateway({ bus: this.broker.bus, id: newGatewayId() });
    this.gateways.push(gateway);
    await this.register(gateway, agents);
    await this.broker.bus.flush();
    gateway.connect(...agents);
    return gateway;
  }

  async register(gateway: FakeGateway, agents: readonly FakeAgent[]): Promise<void> {
    const info = { sessions: agents.length, draining: false, startedAtMs: Date.now() };
    const renewed = await this.registry.lease.renew({ gatewayId: gateway.id, ttlMs: 600_000, info });
    if (renewed.kind === 'unavailable') throw renewed.cause;
    for (let from = 0; from < agents.length; from += 1_000) {
      const items = agents.slice(from, from + 1_000).map(({ agentId, num }) => ({
        ...{ org: ORG, agentId, num, instance: '0'.repeat(32), mode: 'live' as const },
        ...{ epochHint: Date.now(), connectedAtMs: Date.now() },
      }));
      const results = await this.registry.register(gateway.id, items);
      if (results.some(({ kind }) => kind !== 'registered')) throw new Error('a registration was refused');
    }
  }

  async ask(request: CommandRequest): Promise<CommandReply> {
    const result = await this.broker.bus.request(SUBJECTS.commands, encodeBusMessage(request), { timeoutMs: 20_000 });
    if (result.kind !== 'reply') throw new Error(`no reply: ${result.kind}`);
    return decodeServiceMessage<CommandReply>(result.data);
  }

  async submit(change: Partial<SubmitCommand> = {}): Promise<CommandSummary> {
    return commandOf(await this.ask(submitRequest({ expiresInMs: 600_000, ...change })));
  }

  /** Follows the command's journal until the condition holds. */
  async until(id: CommandId, condition: (fold: CommandFold) => boolean): Promise<CommandFold> {
    let fold: CommandFold | undefined;
    const options = { subject: STREAM_SUBJECTS.command(ORG, id), follow: true, signal: AbortSignal.timeout(240_000) };
    for await (const { data } of this.broker.streams.read(STREAMS.commands.name, options)) {
      const entry = decodeJournalEntry(data);
      if (entry.t === 'submitted') fold ??= new CommandFold(entry.record);
      fold?.apply(entry);
      if (fold !== undefined && condition(fold)) return fold;
    }
    throw new Error(`command ${id} stays ${JSON.stringify(fold?.ledger)}`);
  }

  ended(id: CommandId): Promise<CommandFold> {
    return this.until(id, ({ status }) => status === 'ended');
  }

  async stopServices(): Promise<void> {
    await Promise.all(this.services.splice(0).map((service) => service.stop()));
  }

  /** Ends all gateways, so that the next test starts its own. */
  async dropGateways(): Promise<void> {
    for (const gateway of this.gateways.splice(0)) {
      gateway.die();
      await this.registry.lease.drop(gateway.id);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#ticking);
    await this.stopServices();
    await this.broker.stop();
    await this.registry.stop();
    await this.brokers.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
