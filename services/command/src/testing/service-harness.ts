import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
import { DirectoryWriter } from '@muster/directory';
import { startNats, startRedis, type BrokerHandle } from '@muster/local/brokers';
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
import { ANN, commandOf, makeTestKeys, ORG, type TestKeys } from './command-harness.js';
import { FakeAgent, type AgentHabits } from './fake-agent.js';
import { FakeGateway } from './fake-gateway.js';

/** Real brokers, as many command service processes as a test wants, and gateways with agents that the test plays. */
export class ServiceHarness {
  readonly keys: TestKeys;
  readonly folder: string;
  nats: BrokerHandle;
  redis: BrokerHandle;
  broker: Broker;
  registry: Registry;
  readonly services: RunningService[] = [];
  readonly gateways: FakeGateway[] = [];
  readonly #ticking: NodeJS.Timeout;
  #started = 0;

  private constructor(parts: Pick<ServiceHarness, 'keys' | 'folder' | 'nats' | 'redis' | 'broker' | 'registry'>) {
    ({ keys: this.keys, folder: this.folder, nats: this.nats } = parts);
    ({ redis: this.redis, broker: this.broker, registry: this.registry } = parts);
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
    const [nats, redis] = await Promise.all([
      startNats({ dataDir: join(folder, 'nats'), logger: silentLogger }),
      startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger }),
    ]);
    const broker = await connectNats({ servers: [nats.url], name: 'command lab', logger: silentLogger });
    const registry = await openRedisRegistry({ url: redis.url, logger: silentLogger });
    await broker.streams.ensure(Object.values(STREAMS));
    return new ServiceHarness({ keys, folder, nats, redis, broker, registry });
  }

  async startService(env: Readonly<Record<string, string>> = {}): Promise<RunningService> {
    const readyFile = join(this.folder, `ready-${(this.#started += 1)}.json`);
    const child = spawn(process.execPath, [fileURLToPath(new URL('../main.js', import.meta.url))], {
      env: {
        PATH: process.env['PATH'],
        MUSTER_NATS_URL: this.nats.url,
        MUSTER_REDIS_URL: this.redis.url,
        MUSTER_HEALTH_HOST: '127.0.0.1',
        MUSTER_HEALTH_PORT: '0',
        MUSTER_COMMAND_KEYS_FILE: join(this.folder, 'keys.json'),
        MUSTER_COMMAND_KEY_LIST_FILE: join(this.folder, 'keys.jws'),
        MUSTER_COMMAND_POLICY_FILE: join(this.folder, 'policy.json'),
        MUSTER_READY_FILE: readyFile,
        MUSTER_PARENT_PID: String(process.pid),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const service = new RunningService(child);
    this.services.push(service);
    await service.becomeReady(readyFile);
    return service;
  }

  /** Enrolled agents, not connected. */
  async agents(count: number, habits: Partial<AgentHabits> = {}): Promise<FakeAgent[]> {
    const agents: FakeAgent[] = [];
    while (agents.length < count) {
      const more = Array.from({ length: Math.min(500, count - agents.length) }, () => this.#agent(habits));
      agents.push(...(await Promise.all(more)));
    }
    return agents;
  }

  async #agent(habits: Partial<AgentHabits>): Promise<FakeAgent> {
    const agentId = base32(crypto.getRandomValues(new Uint8Array(15))) as AgentId;
    const host = `host-${agentId}`;
    const facts = { host, os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' } as const;
    const record = { agentId, org: ORG, publicKey: 'k', enrolledAtMs: 1, from: '', labels: {}, facts };
    const enrolled = await new DirectoryWriter({ streams: this.broker.streams }).enroll(record);
    if (enrolled.kind === 'unavailable') throw enrolled.cause;
    const { num } = enrolled;
    return new FakeAgent({ agentId, org: ORG, num, clock: systemClock, habits, roots: this.keys.roots });
  }

  /** A gateway that holds a lease for as long as the test may take, and these agents' sessions. */
  async gateway(agents: readonly FakeAgent[]): Promise<FakeGateway> {
    const gateway = new FakeGateway({ bus: this.broker.bus, id: newGatewayId() });
    this.gateways.push(gateway);
    await this.assert(gateway, agents);
    await this.broker.bus.flush();
    gateway.connect(...agents);
    return gateway;
  }

  /** Says to the registry what a gateway holds. */
  async assert(gateway: FakeGateway, agents: readonly FakeAgent[]): Promise<void> {
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

  order(change: Partial<SubmitCommand> = {}): SubmitCommand {
    return {
      ...{ t: 'submit', org: ORG, caller: ANN, action: 'process.kill', params: { name: 'abc.exe' } },
      ...{ target: { selector: '' }, dryRun: false, expiresInMs: 600_000 },
      ...change,
    };
  }

  async ask(request: CommandRequest): Promise<CommandReply> {
    const result = await this.broker.bus.request(SUBJECTS.commands, encodeBusMessage(request), { timeoutMs: 15_000 });
    if (result.kind !== 'reply') throw new Error(`no reply: ${result.kind}`);
    return decodeServiceMessage<CommandReply>(result.data);
  }

  async submit(change: Partial<SubmitCommand> = {}): Promise<CommandSummary> {
    return commandOf(await this.ask(this.order(change)));
  }

  /** The command's journal, for as long as it takes until the condition holds. */
  async until(id: CommandId, condition: (fold: CommandFold) => boolean): Promise<CommandFold> {
    let fold: CommandFold | undefined;
    const options = { subject: STREAM_SUBJECTS.command(ORG, id), follow: true, signal: AbortSignal.timeout(60_000) };
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

  /** Forgets all gateways, so that the next test has its own. */
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
    await Promise.all([this.nats.stop(), this.redis.stop()]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

export class RunningService {
  readonly child: ChildProcess;
  healthUrl = '';
  instance = '';

  constructor(child: ChildProcess) {
    this.child = child;
  }

  async becomeReady(readyFile: string): Promise<void> {
    const { stdout } = this.child;
    if (stdout === null) throw new Error('no output to read');
    let seen = '';
    for await (const chunk of stdout as AsyncIterable<Buffer>) {
      seen += chunk.toString();
      if (seen.includes('"listening"')) break;
    }
    stdout.resume();
    this.instance = /"instance":"([^"]+)"/.exec(seen)?.[1] ?? '';
    for (;;) {
      try {
        const { ports } = JSON.parse(await readFile(readyFile, 'utf8')) as { ports: Record<string, number> };
        this.healthUrl = `http://127.0.0.1:${ports['health'] ?? 0}`;
        return;
      } catch {
        if (this.child.exitCode !== null) throw new Error(`the service ended before it was ready:\n${seen}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  /** Resolves when the process is gone. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }

  /** Ends the process in the orderly way; gives its exit code. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    return this.child.exitCode;
  }
}
