import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
import { AgentTokenIssuer, generateSigningJwks, type PrivateJwks } from '@muster/identity';
import { startNats, startRedis, type BrokerHandle } from '@muster/local/brokers';
import { decodeRecord, STREAMS, type AuditRecord } from '@muster/records';
import { silentLogger } from '@muster/runtime';

export const ORG = 'acme';
export const ENROLL_SECRET = 'a-secret-for-enrolment';

/** Real brokers and as many real gateway processes as a test wants. */
export class GatewayHarness {
  readonly nats: BrokerHandle;
  readonly redis: BrokerHandle;
  readonly broker: Broker;
  readonly jwks: PrivateJwks;
  readonly issuer: AgentTokenIssuer;
  readonly #folder: string;
  readonly #gateways: RunningGateway[] = [];

  private constructor(parts: {
    nats: BrokerHandle;
    redis: BrokerHandle;
    broker: Broker;
    jwks: PrivateJwks;
    folder: string;
  }) {
    this.nats = parts.nats;
    this.redis = parts.redis;
    this.broker = parts.broker;
    this.jwks = parts.jwks;
    this.issuer = new AgentTokenIssuer(parts.jwks);
    this.#folder = parts.folder;
  }

  static async open(): Promise<GatewayHarness> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-gateway-'));
    const [nats, redis, jwks] = await Promise.all([
      startNats({ dataDir: join(folder, 'nats'), logger: silentLogger }),
      startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger }),
      generateSigningJwks(),
    ]);
    const broker = await connectNats({ servers: [nats.url], name: 'gateway lab', logger: silentLogger });
    return new GatewayHarness({ nats, redis, broker, jwks, folder });
  }

  async startGateway(env: Readonly<Record<string, string>> = {}): Promise<RunningGateway> {
    const readyFile = join(this.#folder, `ready-${this.#gateways.length}.json`);
    const child = spawn(process.execPath, [fileURLToPath(new URL('../main.js', import.meta.url))], {
      env: {
        PATH: process.env['PATH'],
        MUSTER_NATS_URL: this.nats.url,
        MUSTER_REDIS_URL: this.redis.url,
        MUSTER_GATEWAY_HOST: '127.0.0.1',
        MUSTER_GATEWAY_PORT: '0',
        MUSTER_HEALTH_HOST: '127.0.0.1',
        MUSTER_HEALTH_PORT: '0',
        MUSTER_AGENT_TOKEN_KEYS: JSON.stringify(this.jwks),
        MUSTER_ENROLL_SECRETS: `${ORG}=${ENROLL_SECRET}`,
        MUSTER_GATEWAY_DRAIN_SPREAD: '0',
        MUSTER_GATEWAY_DRAIN_GRACE: '0',
        MUSTER_READY_FILE: readyFile,
        MUSTER_PARENT_PID: String(process.pid),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const gateway = new RunningGateway(child);
    this.#gateways.push(gateway);
    await gateway.becomeReady(readyFile);
    return gateway;
  }

  /** The next audit record of an agent with this code, as soon as there is one. */
  async auditOf(agentId: string, code: string): Promise<AuditRecord | undefined> {
    const signal = AbortSignal.timeout(5_000);
    for await (const { data } of this.broker.streams.read(STREAMS.audit.name, { follow: true, signal })) {
      const record = decodeRecord<AuditRecord>(data);
      if (record.actor === agentId && record.code === code) return record;
    }
    return undefined;
  }

  async close(): Promise<void> {
    await Promise.all(this.#gateways.map((gateway) => gateway.stop()));
    await this.broker.stop();
    await Promise.all([this.nats.stop(), this.redis.stop()]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export class RunningGateway {
  readonly child: ChildProcess;
  #ports: Readonly<Record<string, number>> = {};

  constructor(child: ChildProcess) {
    this.child = child;
  }

  get url(): string {
    return `127.0.0.1:${this.#ports['gateway'] ?? 0}`;
  }

  get healthUrl(): string {
    return `http://127.0.0.1:${this.#ports['health'] ?? 0}`;
  }

  /** Waits for the line that says so in the log, then reads the ports. */
  async becomeReady(readyFile: string): Promise<void> {
    const { stdout } = this.child;
    if (stdout === null) throw new Error('no output to read');
    let seen = '';
    for await (const chunk of stdout as AsyncIterable<Buffer>) {
      seen += chunk.toString();
      if (seen.includes('"listening"')) break;
    }
    stdout.resume();
    for (;;) {
      try {
        this.#ports = (JSON.parse(await readFile(readyFile, 'utf8')) as { ports: Record<string, number> }).ports;
        return;
      } catch {
        if (this.child.exitCode !== null) throw new Error(`the gateway ended before it was ready:\n${seen}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGCONT');
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
  }
}
