import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentTokenIssuer, generateAgentKeys, generateSigningJwks, signHelloProof } from '@muster/identity';
import { ensureCertificates, mainOf } from '@muster/local';
import { decodeBody, encodeBody, encodeFrame, FRAME, frameBody, type OrgId } from '@muster/protocol';
import { startBrokers, TestProcess, type TestBrokers } from '@muster/testkit';
import { frame, OP } from './frames.js';
import { RawClient, type Wire } from './raw-client.js';

const MAIN = mainOf('gateway');
const ORG = 'acme' as OrgId;

export type TransportName = 'uws' | 'ws';

/** The shortest silence limit that a gateway accepts. Its heartbeat interval is shorter in proportion. */
const SILENCE_MS = 8_000;
/** The heartbeat interval is then 3.3 s; a fifth more and one sweep make 4.5 s. The rest is a margin for a busy machine. */
export const HEARTBEAT_LIMIT_MS = 9_000;

interface GatewaysParts {
  readonly brokers: TestBrokers;
  readonly folder: string;
  readonly issuer: AgentTokenIssuer;
  readonly wires: ReadonlyMap<string, Wire>;
  readonly processes: readonly TestProcess[];
}

/** Real gateways, one for each transport and wire, on real brokers. */
export class Gateways {
  readonly #parts: GatewaysParts;
  readonly #clients: RawClient[] = [];

  private constructor(parts: GatewaysParts) {
    this.#parts = parts;
  }

  static async start(): Promise<Gateways> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-conformance-'));
    const [brokers, jwks, certificates] = await Promise.all([
      startBrokers(),
      generateSigningJwks(),
      ensureCertificates(join(folder, 'tls')),
    ]);
    const ca = await readFile(certificates.caPath, 'utf8');
    const tls = { MUSTER_TLS_CERT_FILE: certificates.certPath, MUSTER_TLS_KEY_FILE: certificates.keyPath };
    const common = {
      MUSTER_NATS_URL: brokers.nats.url,
      // It makes the streams that it needs.
      MUSTER_NATS_RIGHTS: 'all',
      MUSTER_REDIS_URL: brokers.redis.url,
      MUSTER_AGENT_TOKEN_KEYS: JSON.stringify(jwks),
    };
    const processes: TestProcess[] = [];
    const wires = new Map<string, Wire>();
    for (const transport of ['uws', 'ws'] as const) {
      for (const secure of [false, true]) {
        const name = `${transport}-${secure}`;
        const env = { ...common, ...(secure ? tls : {}), MUSTER_GATEWAY_TRANSPORT: transport };
        const gateway = await startGateway(env);
        processes.push(gateway);
        wires.set(name, { port: gateway.port('gateway'), ...(secure ? { ca } : {}) });
      }
    }
    return new Gateways({ brokers, folder, issuer: new AgentTokenIssuer(jwks), wires, processes });
  }

  /** Connects to one of them, and sends nothing yet. */
  connect(transport: TransportName, secure: boolean): RawClient {
    const client = new RawClient(this.wire(transport, secure));
    this.#clients.push(client);
    return client;
  }

  wire(transport: TransportName, secure: boolean): Wire {
    const wire = this.#parts.wires.get(`${transport}-${secure}`);
    if (wire === undefined) throw new Error('no such gateway');
    return wire;
  }

  /** A new agent: its token, and a function that makes its HELLO for a CHALLENGE. */
  async agent() {
    const { agentId, publicKeyX, privateKey } = generateAgentKeys();
    const num = randomBytes(4).readUInt32BE() >>> 4;
    const token = await this.#parts.issuer.issue({ org: ORG, num, publicKeyX, factsDigest: '' }, Date.now());
    const instance = randomBytes(16);
    const facts = { host: 'h', os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' } as const;
    const helloTo = (challenge: Uint8Array): Uint8Array => {
      const read = decodeBody('challenge', frameBody(challenge));
      if (!read.ok) throw new Error(read.fault);
      const proof = new Uint8Array(signHelloProof(privateKey, { agentId, nonce: read.body.nonce, token }));
      const body = { facts, labels: {}, capabilities: ['query'], instance, proof };
      return encodeFrame(FRAME.hello, 0, encodeBody('hello', body));
    };
    return { token, helloTo };
  }

  /** A new agent, upgraded and challenged, with the bytes of its HELLO. */
  async challenged(transport: TransportName, secure: boolean) {
    const { token, helloTo } = await this.agent();
    const client = this.connect(transport, secure);
    await client.upgrade(token);
    return { client, token, hello: helloTo((await client.frame(0x82)).payload) };
  }

  /** A new agent whose session is ready. */
  async ready(transport: TransportName, secure: boolean): Promise<RawClient> {
    const { client, hello } = await this.challenged(transport, secure);
    client.send(frame({ opcode: OP.binary, payload: hello }));
    await welcomed(client);
    return client;
  }

  dropAll(): void {
    for (const client of this.#clients.splice(0)) client.destroy();
  }

  async token(): Promise<string> {
    return (await this.agent()).token;
  }

  async stop(): Promise<void> {
    this.dropAll();
    await Promise.all(this.#parts.processes.map((gateway) => gateway.stop()));
    await this.#parts.brokers.stop();
    await rm(this.#parts.folder, { recursive: true, force: true });
  }
}

export async function welcomed(client: RawClient): Promise<void> {
  const welcome = await client.frame(0x82, 1);
  if (welcome.payload[0] !== FRAME.welcome) throw new Error(`not a WELCOME: ${welcome.payload.toString('hex')}`);
}

async function startGateway(env: Readonly<Record<string, string>>): Promise<TestProcess> {
  return TestProcess.start({
    main: MAIN,
    env: {
      MUSTER_GATEWAY_HOST: '127.0.0.1',
      MUSTER_GATEWAY_PORT: '0',
      MUSTER_HEALTH_HOST: '127.0.0.1',
      MUSTER_HEALTH_PORT: '0',
      MUSTER_ENROLL_SECRETS: `${ORG}=a-secret-for-enrolment`,
      MUSTER_GATEWAY_SESSION_SILENCE: `${SILENCE_MS}ms`,
      MUSTER_GATEWAY_DRAIN_SPREAD: '0',
      MUSTER_GATEWAY_DRAIN_GRACE: '0',
      ...env,
    },
  });
}
