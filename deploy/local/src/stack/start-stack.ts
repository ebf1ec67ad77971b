import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureCertificates } from './certificates.js';
import { getJson } from './get-json.js';
import { programSpec, type ProgramKind, type StackSetting } from './programs.js';
import { ensureSecrets, LOCAL_ORG } from './secrets.js';
import { Supervisor } from './supervisor.js';

export interface StackOptions {
  /** Keys, certificates, logs and the agent's state; made when it is missing. Two stacks never share one. */
  readonly folder: string;
  readonly natsUrl: string;
  readonly redisUrl: string;
  /** How many of each; default 1, and no agent. */
  readonly gateways?: number;
  readonly queries?: number;
  readonly apis?: number;
  readonly agent?: boolean;
  /** Default true. */
  readonly tls?: boolean;
  /** Start what ends by itself again; default false, as tests and benches want to see it end. */
  readonly restart?: boolean;
  /** Where the agent connects, when not to the gateways themselves (a load balancer in a test). */
  readonly agentGatewayUrl?: string;
  readonly logLevel?: string;
  /** Variables that win over those of the stack. */
  readonly env?: Partial<Record<ProgramKind, Readonly<Record<string, string>>>>;
  readonly nodeArgs?: Partial<Record<ProgramKind, readonly string[]>>;
  /** Told in words of unexpected ends and restarts. */
  readonly onEvent?: (text: string) => void;
}

/** One program of a running stack. */
export interface Program {
  readonly name: string;
  /** Changes at a restart; -1 while there is none. */
  readonly pid: number;
  /** Absent where a program has no such face. */
  readonly url?: string;
  readonly healthUrl?: string;
  signal(signal: NodeJS.Signals): boolean;
  /** Resolves when its present run has ended. */
  exited(): Promise<void>;
  stop(): Promise<void>;
}

export interface Stack {
  readonly folder: string;
  readonly org: string;
  readonly apiUrl: string;
  readonly gateways: readonly (Program & { readonly url: string })[];
  readonly queries: readonly Program[];
  readonly apis: readonly (Program & { readonly url: string })[];
  readonly agents: readonly Program[];
  /** Undefined without TLS. */
  readonly caPath: string | undefined;
  readonly token: string;
  readonly enrollSecret: string;
  /** One more gateway, ready when the promise resolves. */
  addGateway(): Promise<Program & { readonly url: string }>;
  /** Stops everything in the reverse order of starting, within about 8 s. Idempotent. */
  stop(): Promise<void>;
}

const STOP_GRACE_MS = 7_000;

/**
 * Starts gateways, query services, APIs and agents as real processes against brokers that run already, and resolves when all are ready.
 * The brokers stay the caller's. When one program does not come up, those that did are stopped again.
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
  const { folder, natsUrl, redisUrl, tls = true, logLevel = 'info', env = {}, nodeArgs } = options;
  for (const part of ['logs', 'run', 'data/agent']) await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
  const secrets = await ensureSecrets(join(folder, 'keys'));
  return {
    folder,
    natsUrl,
    redisUrl,
    secrets,
    logLevel,
    env,
    ...(tls ? { tls: await ensureCertificates(join(folder, 'tls')) } : {}),
    ...(nodeArgs ? { nodeArgs } : {}),
  };
}

class RunningStack implements Stack {
  readonly org = LOCAL_ORG;
  readonly gateways: (Program & { readonly url: string })[] = [];
  readonly queries: Program[] = [];
  readonly apis: (Program & { readonly url: string })[] = [];
  readonly agents: Program[] = [];
  readonly #setting: StackSetting;
  readonly #options: StackOptions;
  readonly #started: Supervisor[] = [];
  #stopped: Promise<void> | undefined;

  constructor(setting: StackSetting, options: StackOptions) {
    this.#setting = setting;
    this.#options = options;
  }

  get folder(): string {
    return this.#setting.folder;
  }
  get apiUrl(): string {
    const url = this.apis[0]?.url;
    if (url === undefined) throw new Error('this stack has no api');
    return url;
  }
  get token(): string {
    return this.#setting.secrets.token;
  }
  get enrollSecret(): string {
    return this.#setting.secrets.enrollSecret;
  }
  get caPath(): string | undefined {
    return this.#setting.tls?.caPath;
  }

  /** The services need each other only at run time, so they start side by side; the agent needs a gateway's address. */
  async start(): Promise<void> {
    const { gateways = 1, queries = 1, apis = 1, agent = false } = this.#options;
    const times = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
    const all = await Promise.allSettled([
      ...times(gateways).map(() => this.addGateway()),
      ...times(queries).map(async (i) => this.queries.push(await this.#program('query', `query-${i}`))),
      ...times(apis).map(async (i) => this.apis.push(withUrl(await this.#program('api', `api-${i}`)))),
    ]);
    const failed = all.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    if (agent) await this.#startAgent();
  }

  #gatewayCount = 0;
  async addGateway(): Promise<Program & { readonly url: string }> {
    this.#gatewayCount += 1;
    const gateway = withUrl(await this.#program('gateway', `gateway-${this.#gatewayCount}`));
    this.gateways.push(gateway);
    return gateway;
  }

  async #startAgent(): Promise<void> {
    const url = this.#options.agentGatewayUrl ?? this.gateways.map((gateway) => gateway.url).join(',');
    this.agents.push(await this.#program('agent', 'agent', { MUSTER_GATEWAY_URL: url }));
    await this.#agentIsLive();
  }

  /** The proof that all the ways work: the API, asked as an operator asks it, lists the agent as live. */
  async #agentIsLive(): Promise<void> {
    const ca = this.#setting.tls === undefined ? undefined : await readFile(this.#setting.tls.caPath, 'utf8');
    const url = `${this.apiUrl}/v1/agents?selector=${encodeURIComponent('mode=live')}`;
    const giveUpAt = performance.now() + 20_000;
    for (;;) {
      const answer = await getJson(url, { token: this.token, ...(ca === undefined ? {} : { ca }) }).catch(
        (error: unknown) => ({ status: 0, body: error }),
      );
      if (answer.status === 200 && ((answer.body as { items?: unknown[] }).items?.length ?? 0) > 0) return;
      if (performance.now() > giveUpAt) {
        const last =
          answer.status === 0 ? String(answer.body) : `${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`;
        throw new Error(
          `The agent runs, but the API does not list it as live. Its last answer: ${last}. Logs: ${join(this.folder, 'logs')}`,
        );
      }
      await delay(50);
    }
  }

  async #program(kind: ProgramKind, name: string, extra: Record<string, string> = {}): Promise<Program> {
    const supervisor = new Supervisor(programSpec(kind, name, this.#setting, extra), {
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

  /** The agent and the faces of people first, then the edge, then the core: nobody is asked who is already gone. */
  async #stop(): Promise<void> {
    const deadline = performance.now() + STOP_GRACE_MS;
    const rank = (supervisor: Supervisor): number =>
      ['agent', 'api', 'gateway', 'query'].findIndex((kind) => supervisor.name.startsWith(kind));
    for (const step of [0, 1, 2, 3]) {
      const left = Math.max(500, deadline - performance.now());
      await Promise.all(this.#started.filter((one) => rank(one) === step).map((one) => one.stop(left)));
    }
  }
}

function programOf(supervisor: Supervisor, kind: ProgramKind, tls: boolean): Program {
  const scheme = { gateway: tls ? 'wss' : 'ws', api: tls ? 'https' : 'http', query: undefined, agent: undefined }[kind];
  return {
    name: supervisor.name,
    get pid() {
      return supervisor.pid;
    },
    ...(scheme === undefined ? {} : { url: `${scheme}://127.0.0.1:${supervisor.port(kind)}` }),
    ...(kind === 'agent' ? {} : { healthUrl: `http://127.0.0.1:${supervisor.port('health')}` }),
    signal: (signal) => supervisor.signal(signal),
    exited: () => supervisor.exited(),
    stop: () => supervisor.stop(STOP_GRACE_MS),
  };
}

function withUrl(program: Program): Program & { readonly url: string } {
  const { url } = program;
  if (url === undefined) throw new Error(`${program.name} has no address`);
  return Object.assign(program, { url });
}
