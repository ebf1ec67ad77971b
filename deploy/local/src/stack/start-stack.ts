import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { natsAddresses, redisAddresses } from './broker-logins.js';
import { ensureCertificates, type CertificateFiles } from './certificates.js';
import { Child, type ChildSpec } from './child.js';
import { mainOf, programSpec, signRecordsSpec, type ProgramKind, type StackSetting } from './programs.js';
import { ensureSecrets, LOCAL_ORG } from './secrets.js';
import { waitForConnectedAgents } from './connected-agents.js';
import type { AgentOptions, Program, ServerProgram, Stack, StackOptions } from './stack.js';
import { STOP_GRACE_MS, Supervisor } from './supervisor.js';

/** Clients stop before the services that they use. */
const STOP_ORDER: readonly (readonly ProgramKind[])[] = [
  ['agent'],
  ['api'],
  ['gateway'],
  ['posture'],
  ['query', 'command', 'telemetry'],
];

/**
 * Starts gateways, query, command, telemetry and posture services, APIs and agents as processes, with brokers that run
 * already. Resolves when all are ready. The caller stops the brokers. When one program does not start, the others are
 * stopped again.
 * @throws ChildError names the program and quotes the end of its log.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const setting = await prepare(options);
  const running = new RunningStack(setting, options);
  try {
    await running.start();
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}

async function prepare(options: StackOptions): Promise<StackSetting> {
  const { folder, natsUrl, redisUrl, tls = true, logLevel = 'info', settings = {}, env = {}, nodeArgs } = options;
  for (const part of ['logs', 'run', 'data/agent']) await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
  const secrets = await ensureSecrets(join(folder, 'keys'));
  const keys = join(folder, 'keys');
  return {
    folder,
    nats: await natsAddresses(keys, natsUrl, options.natsRights ?? 'all'),
    redis: await redisAddresses(keys, redisUrl, options.redisRights ?? 'all'),
    secrets,
    logLevel,
    settings,
    env,
    ...(tls ? { tls: await ensureCertificates(join(folder, 'tls')) } : {}),
    ...(nodeArgs ? { nodeArgs } : {}),
    ...(options.storageLimitBytes === undefined ? {} : { storageLimitBytes: options.storageLimitBytes }),
    ...(options.services === undefined ? {} : { services: options.services }),
  };
}

class RunningStack implements Stack {
  readonly org = LOCAL_ORG;
  readonly folder: string;
  readonly token: string;
  readonly enrollSecret: string;
  readonly serverTls: CertificateFiles | undefined;
  readonly caPath: string | undefined;
  readonly gateways: ServerProgram[] = [];
  readonly queries: Program[] = [];
  readonly commands: Program[] = [];
  readonly telemetries: Program[] = [];
  readonly postures: Program[] = [];
  readonly apis: ServerProgram[] = [];
  readonly agents: Program[] = [];
  readonly #setting: StackSetting;
  readonly #options: StackOptions;
  readonly #started: Supervisor[] = [];
  #stopped: Promise<void> | undefined;

  constructor(setting: StackSetting, options: StackOptions) {
    this.#setting = setting;
    this.folder = setting.folder;
    this.token = setting.secrets.token;
    this.enrollSecret = setting.secrets.enrollSecret;
    this.serverTls = setting.tls;
    this.caPath = setting.tls?.caPath;
    this.#options = options;
  }

  get apiUrl(): string {
    const url = this.apis[0]?.url;
    if (url === undefined) throw new Error('this stack has no api');
    return url;
  }

  /** Services do not need each other to start, so they start in parallel. An agent needs a gateway's address. */
  async start(): Promise<void> {
    const {
      gateways = 1,
      queries = 1,
      commands = 1,
      telemetries = 1,
      postures = 0,
      apis = 1,
      agent = false,
    } = this.#options;
    // With rights of their own services wait for the streams; else they make them themselves.
    const isSetUp =
      this.#options.natsRights === 'own' ? this.#runOnce(programSpec('setup', 'setup', this.#setting)) : undefined;
    if (this.#options.signsKept === true) {
      await isSetUp;
      await this.#runOnce(signRecordsSpec(this.#setting));
    }
    const times = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
    const edge = Promise.all(times(gateways).map(() => this.addGateway()));
    const all = await Promise.allSettled([
      isSetUp,
      edge,
      ...times(queries).map(async (i) => this.queries.push(await this.#program('query', `query-${i}`))),
      ...times(commands).map(async (i) => this.commands.push(await this.#program('command', `command-${i}`))),
      ...times(telemetries).map(async (i) => this.telemetries.push(await this.#program('telemetry', `telemetry-${i}`))),
      ...times(postures).map(async (i) => this.postures.push(await this.#program('posture', `posture-${i}`))),
      ...times(apis).map(async (i) => this.apis.push(withUrl(await this.#program('api', `api-${i}`)))),
      ...(agent ? [edge.then(() => this.#startAgent({}))] : []),
    ]);
    const failed = all.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    if (agent) await waitForConnectedAgents(1, this);
  }

  readonly #runningOnce: Child[] = [];
  async #runOnce(spec: ChildSpec): Promise<void> {
    const child = new Child(spec);
    this.#runningOnce.push(child);
    await child.done();
  }

  #gatewayCount = 0;
  async addGateway(env: Readonly<Record<string, string>> = {}): Promise<ServerProgram> {
    this.#gatewayCount += 1;
    const gateway = withUrl(await this.#program('gateway', `gateway-${this.#gatewayCount}`, env));
    this.gateways.push(gateway);
    return gateway;
  }

  async addAgent(options: AgentOptions = {}): Promise<Program> {
    const agent = await this.#startAgent(options);
    await waitForConnectedAgents(this.agents.length, this);
    return agent;
  }

  #agentCount = 0;
  async #startAgent({ gatewayUrl, env, services }: AgentOptions): Promise<Program> {
    this.#agentCount += 1;
    const name = this.#agentCount === 1 ? 'agent' : `agent-${this.#agentCount}`;
    const url = gatewayUrl ?? this.gateways.map((gateway) => gateway.url).join(',');
    const dataDir = join(this.folder, 'data', name);
    const variables = { MUSTER_GATEWAY_URL: url, MUSTER_DATA_DIR: dataDir, ...env };
    const agent = await this.#program('agent', name, variables, services);
    this.agents.push(agent);
    return agent;
  }

  async #program(
    kind: ProgramKind,
    name: string,
    extra: Readonly<Record<string, string>> = {},
    services = this.#setting.services,
  ): Promise<Program> {
    const setting = services === undefined ? this.#setting : { ...this.#setting, services };
    const supervisor = new Supervisor(programSpec(kind, name, setting, extra), {
      restart: this.#options.restart ?? false,
      onEvent: this.#options.onEvent ?? (() => undefined),
    });
    this.#started.push(supervisor);
    await supervisor.start();
    return programOf(supervisor, kind, this.#setting.tls !== undefined);
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    const deadline = performance.now() + STOP_GRACE_MS;
    await Promise.all(this.#runningOnce.map((one) => one.stop(STOP_GRACE_MS)));
    const rank = (supervisor: Supervisor): number =>
      STOP_ORDER.findIndex((kinds) => kinds.some((kind) => supervisor.name.startsWith(kind)));
    for (const step of STOP_ORDER.keys()) {
      const left = Math.max(500, deadline - performance.now());
      await Promise.all(this.#started.filter((one) => rank(one) === step).map((one) => one.stop(left)));
    }
  }
}

function programOf(supervisor: Supervisor, kind: ProgramKind, tls: boolean): Program {
  const schemes: Partial<Record<ProgramKind, string>> = { gateway: tls ? 'wss' : 'ws', api: tls ? 'https' : 'http' };
  const scheme = schemes[kind];
  return Object.assign(supervisor, {
    ...(scheme === undefined ? {} : { url: `${scheme}://127.0.0.1:${supervisor.port(kind)}` }),
    useVersion: (services?: string) => supervisor.runNext(mainOf(kind, services)),
    ...(kind === 'agent' ? {} : { healthUrl: `http://127.0.0.1:${supervisor.port('health')}` }),
  });
}

function withUrl(program: Program): ServerProgram {
  const { url } = program;
  if (url === undefined) throw new Error(`${program.name} has no address`);
  return Object.assign(program, { url });
}
