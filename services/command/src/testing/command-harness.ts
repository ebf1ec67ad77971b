import type { Broker, Bus, StreamStore } from '@muster/bus';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import { DirectoryWriter } from '@muster/directory';
import {
  generateCommandRoot,
  generateSigningJwks,
  publicJwks,
  signCommandKeys,
  type PrivateJwks,
} from '@muster/identity';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type CommandCaller,
  type CommandReply,
  type CommandRequest,
  type CommandSummary,
  type SubmitCommand,
} from '@muster/messages';
import type { AgentId, CommandId, OrgId, Labels } from '@muster/protocol';
import {
  CommandFold,
  decodeJournalEntry,
  STREAM_SUBJECTS,
  STREAMS,
  type AuditRecord,
  type JournalEntry,
  decodeRecord,
} from '@muster/records';
import { createMetrics, NO_TRACER, silentLogger, type Clock, type Timer, type Logger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { MemoryRegistry } from '@muster/testkit';
import { createCommandService } from '../command-service.js';
import { CommandKeys } from '../signing/command-keys.js';
import { FakeAgent, type AgentBehaviour } from './fake-agent.js';
import { FakeGateway } from './fake-gateway.js';

export const ORG = 'acme' as OrgId;
export const ANN: CommandCaller = { id: 'op-ann', name: 'Ann', role: 'responder', bound: '', from: '192.0.2.1' };
export const BOB: CommandCaller = { id: 'op-bob', name: 'Bob', role: 'responder', bound: '', from: '192.0.2.2' };

/** Keys of a deployment: a root, a signing key, and the signed key list. */
export interface TestKeys {
  readonly root: PrivateJwks;
  readonly signing: PrivateJwks;
  readonly list: string;
  readonly roots: readonly { kid: string; x: string }[];
}

export async function makeTestKeys(): Promise<TestKeys> {
  const [root, signing] = await Promise.all([generateCommandRoot(), generateSigningJwks()]);
  const keys = signing.keys.map(({ kid, x }) => ({ kid, x }));
  const list = signCommandKeys(root, { version: 1, iat: 0, keys, retired: [] });
  return { root, signing, list, roots: publicJwks(root).keys.map(({ kid, x }) => ({ kid, x })) };
}

export interface HarnessService {
  readonly instance: string;
  readonly connection: MemoryConnection;
  /** Ends it like a killed process. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface HarnessOptions {
  readonly keys: TestKeys;
  readonly policyFile?: string;
  /** Wraps the broker of each service, for tests with a faulty network. */
  readonly wrap?: (broker: Broker) => { readonly bus: Bus; readonly streams: StreamStore };
  readonly logger?: Logger;
}

/** The clock of another machine: time passes alike, and it says something else. */
class SkewedClock implements Clock {
  readonly #clock: Clock;
  readonly #aheadMs: () => number;

  constructor(clock: Clock, aheadMs: () => number) {
    this.#clock = clock;
    this.#aheadMs = aheadMs;
  }

  now(): number {
    return this.#clock.now() + this.#aheadMs();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    return this.#clock.setTimeout(run, delayMs);
  }

  setInterval(run: () => void, everyMs: number): Timer {
    return this.#clock.setInterval(run, everyMs);
  }

  clear(timer: Timer | undefined): void {
    this.#clock.clear(timer);
  }
}

/** Command services over a broker in memory, with fake agents, gateways and clock. */
export class CommandHarness {
  readonly broker = new MemoryBroker();
  readonly connection: MemoryConnection = this.broker.connect();
  readonly clock = new FakeClock();
  readonly registry = new MemoryRegistry({ clock: this.clock });
  readonly services: HarnessService[] = [];
  readonly request = submitRequest;
  readonly #options: HarnessOptions;
  #agents = 0;

  constructor(options: HarnessOptions) {
    this.#options = options;
  }

  async open(): Promise<this> {
    await this.connection.streams.ensure(Object.values(STREAMS));
    return this;
  }

  async close(): Promise<void> {
    for (const service of this.services.splice(0)) await service.kill();
    await this.connection.stop();
  }

  /** `aheadMs`: how far the wall clock of its machine is ahead of the others. */
  async service({ aheadMs = () => 0 }: { readonly aheadMs?: () => number } = {}): Promise<HarnessService> {
    const { keys, policyFile, wrap = (broker) => broker, logger = silentLogger } = this.#options;
    const connection = this.broker.connect();
    const { instance, components } = createCommandService({
      ...{
        registry: this.registry,
        clock: new SkewedClock(this.clock, aheadMs),
        logger,
        metrics: createMetrics('command'),
        tracer: NO_TRACER,
      },
      broker: { ...wrap(connection), stop: () => connection.stop() },
      keys: new CommandKeys(keys.signing, keys.list),
      config: { policyFile, keepEnded: 1_000, journalPatienceMs: 2_000 },
    });
    const signal = AbortSignal.abort();
    const stopAll = async (): Promise<void> => {
      for (const [, component] of components.toReversed()) await this.meanwhile(component.stop?.(signal));
      await connection.stop();
      const at = this.services.indexOf(service);
      if (at >= 0) this.services.splice(at, 1);
    };
    const service: HarnessService = {
      ...{ instance, connection },
      kill: () => {
        connection.bus.setConnected(false);
        return stopAll();
      },
      stop: async () => {
        for (const [, component] of components.toReversed()) await this.meanwhile(component.drain?.(signal));
        await stopAll();
      },
    };
    this.services.push(service);
    for (const [, component] of components) await this.meanwhile(component.start?.());
    return service;
  }

  /** Advances the clock until the work is done. */
  async meanwhile(work: void | Promise<void>): Promise<void> {
    let isDone = false;
    const working = Promise.resolve(work).finally(() => (isDone = true));
    for (let passedMs = 0; !isDone; passedMs += 10) {
      if (passedMs > 120_000) throw new Error('not done within two minutes');
      await this.clock.advanceAsync(10);
    }
    await working;
  }

  /** An enrolled agent, not connected. */
  async agent(behaviour: Partial<AgentBehaviour> = {}, labels: Record<string, string> = {}): Promise<FakeAgent> {
    const agentId = (String.fromCharCode(97 + (this.#agents % 26)).repeat(20) + base(this.#agents)) as AgentId;
    const host = `host-${(this.#agents += 1)}`;
    const { clock } = this;
    const num = await enrolAgent(this.connection.streams, agentId, host, labels);
    return new FakeAgent({ agentId, org: ORG, num, clock, roots: this.#options.keys.roots, behaviour });
  }

  async revoke(agent: FakeAgent): Promise<void> {
    const writer = new DirectoryWriter({ streams: this.connection.streams });
    await writer.revoke(ORG, agent.agentId, { by: 'op', reason: '', atMs: 1 });
    await this.settle();
  }

  agents(
    count: number,
    behaviour: Partial<AgentBehaviour> = {},
    labels: Record<string, string> = {},
  ): Promise<FakeAgent[]> {
    return Promise.all(Array.from({ length: count }, () => this.agent(behaviour, labels)));
  }

  gateway(id: string, link?: (deliver: () => void) => void, bus: Bus = this.connection.bus): FakeGateway {
    return new FakeGateway({ bus, id, registry: this.registry, ...(link === undefined ? {} : { link }) });
  }

  async ask(request: CommandRequest): Promise<CommandReply> {
    const asking = this.connection.bus.request(SUBJECTS.commands, encodeBusMessage(request), { timeoutMs: 20_000 });
    await this.settle();
    const result = await asking;
    if (result.kind !== 'reply') throw new Error(`no reply: ${result.kind}`);
    return decodeServiceMessage<CommandReply>(result.data);
  }

  async submit(change: Partial<SubmitCommand> = {}): Promise<CommandSummary> {
    return commandOf(await this.ask(this.request(change)));
  }

  async problem(request: CommandRequest): Promise<CommandReply & { t: 'problem' }> {
    const reply = await this.ask(request);
    if (reply.t !== 'problem') throw new Error(`not a problem: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** Runs everything that is under way, without advancing the clock. */
  async settle(): Promise<void> {
    for (let i = 0; i < 30; i += 1) await this.clock.advanceAsync(0);
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advanceAsync(ms);
    await this.settle();
  }

  async entries(id: CommandId): Promise<JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for await (const { data } of this.connection.streams.read(STREAMS.commands.name, {
      subject: STREAM_SUBJECTS.command(ORG, id),
    })) {
      entries.push(decodeJournalEntry(data));
    }
    return entries;
  }

  async fold(id: CommandId): Promise<CommandFold> {
    const entries = await this.entries(id);
    const [first] = entries;
    if (first?.t !== 'submitted') throw new Error(`command ${id} is not in the journal`);
    const fold = new CommandFold(first.record);
    for (const entry of entries) fold.apply(entry);
    return fold;
  }

  async audit(): Promise<AuditRecord[]> {
    const records: AuditRecord[] = [];
    for await (const { data } of this.connection.streams.read(STREAMS.audit.name, {
      subject: STREAM_SUBJECTS.audit(ORG),
    })) {
      records.push(decodeRecord<AuditRecord>(data));
    }
    return records;
  }
}

export async function enrolAgent(
  streams: StreamStore,
  agentId: AgentId,
  host: string,
  labels: Labels = {},
): Promise<number> {
  const facts = { host, os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' } as const;
  const record = { agentId, org: ORG, publicKey: 'k', enrolledAtMs: 1, from: '', facts, labels };
  const enrolled = await new DirectoryWriter({ streams }).enroll(record);
  if (enrolled.kind === 'unavailable') throw enrolled.cause;
  return enrolled.num;
}

export function submitRequest(change: Partial<SubmitCommand> = {}): SubmitCommand {
  return {
    ...{ t: 'submit', org: ORG, caller: ANN, action: 'process.kill', params: { name: 'abc.exe' } },
    ...{ target: { selector: '' }, dryRun: false, expiresInMs: 3_600_000 },
    ...change,
  };
}

export function commandOf(reply: CommandReply): CommandSummary {
  if (reply.t !== 'command') throw new Error(`not a command: ${JSON.stringify(reply)}`);
  return reply.command;
}

/** Four letters of the alphabet of agent ids. */
function base(n: number): string {
  return Array.from({ length: 4 }, (_, i) => String.fromCharCode(97 + (Math.floor(n / 26 ** i) % 26))).join('');
}
