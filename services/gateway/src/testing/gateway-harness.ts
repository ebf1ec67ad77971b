import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
import { AgentTokenIssuer, generateSigningJwks, type PrivateJwks } from '@muster/identity';
import { decodeRecord, STREAMS, type AuditRecord } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { startBrokers, TestProcess, type TestBroker, type TestBrokers } from '@muster/testkit';

export const ORG = 'acme';
export const ENROLL_SECRET = 'a-secret-for-enrolment';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** A gateway process. */
export interface RunningGateway {
  readonly process: TestProcess;
  /** Host and port for agents. */
  readonly url: string;
  readonly healthUrl: string;
}

/** Real brokers and as many real gateway processes as a test wants. */
export class GatewayHarness {
  readonly broker: Broker;
  readonly jwks: PrivateJwks;
  readonly issuer: AgentTokenIssuer;
  readonly #brokers: TestBrokers;
  readonly #gateways: TestProcess[] = [];

  private constructor(brokers: TestBrokers, broker: Broker, jwks: PrivateJwks) {
    this.#brokers = brokers;
    this.broker = broker;
    this.jwks = jwks;
    this.issuer = new AgentTokenIssuer(jwks);
  }

  static async open(): Promise<GatewayHarness> {
    const [brokers, jwks] = await Promise.all([startBrokers('binaries'), generateSigningJwks()]);
    const broker = await connectNats({ servers: [brokers.nats.url], name: 'gateway harness', logger: silentLogger });
    return new GatewayHarness(brokers, broker, jwks);
  }

  get nats(): TestBroker {
    return this.#brokers.nats;
  }

  get redis(): TestBroker {
    return this.#brokers.redis;
  }

  async startGateway(env: Readonly<Record<string, string>> = {}): Promise<RunningGateway> {
    const gateway = await TestProcess.start({
      main: MAIN,
      env: {
        MUSTER_NATS_URL: this.nats.url,
        // It makes the streams that it needs.
        MUSTER_NATS_RIGHTS: 'all',
        MUSTER_REDIS_URL: this.redis.url,
        MUSTER_GATEWAY_HOST: '127.0.0.1',
        MUSTER_GATEWAY_PORT: '0',
        MUSTER_HEALTH_HOST: '127.0.0.1',
        MUSTER_HEALTH_PORT: '0',
        MUSTER_AGENT_TOKEN_KEYS: JSON.stringify(this.jwks),
        MUSTER_ENROLL_SECRETS: `${ORG}=${ENROLL_SECRET}`,
        MUSTER_GATEWAY_DRAIN_SPREAD: '0',
        MUSTER_GATEWAY_DRAIN_GRACE: '0',
        ...env,
      },
    });
    this.#gateways.push(gateway);
    return { process: gateway, url: `127.0.0.1:${gateway.port('gateway')}`, healthUrl: gateway.healthUrl };
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
    await this.#brokers.stop();
  }
}
