import type { ProgramKind, ProgramSettings } from './programs.js';

export interface StackOptions {
  /** Keys, certificates, logs and the agents' state; made when it is missing. Two stacks never share one. */
  readonly folder: string;
  readonly natsUrl: string;
  readonly redisUrl: string;
  /** How many of each; default 1, and no agent. */
  readonly gateways?: number;
  readonly queries?: number;
  readonly commands?: number;
  readonly apis?: number;
  readonly agent?: boolean;
  /** Default true. */
  readonly tls?: boolean;
  /** Start what ends by itself again; default false, as tests and benches want to see it end. */
  readonly restart?: boolean;
  readonly logLevel?: string;
  /** Variables that give way to those of the stack. */
  readonly settings?: ProgramSettings;
  /** Variables that win over those of the stack. */
  readonly env?: ProgramSettings;
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

/** A program that others connect to. */
export type ServerProgram = Program & { readonly url: string };

export interface AgentOptions {
  /** Where it connects, when not to the stack's gateways themselves: a load balancer. */
  readonly gatewayUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Stack {
  readonly folder: string;
  readonly org: string;
  readonly apiUrl: string;
  readonly gateways: readonly ServerProgram[];
  readonly queries: readonly Program[];
  readonly commands: readonly Program[];
  readonly apis: readonly ServerProgram[];
  readonly agents: readonly Program[];
  /** Undefined without TLS. */
  readonly caPath: string | undefined;
  /** PEM of certificate and key of the servers, for what stands before them in a test; undefined without TLS. */
  readonly serverTls: { readonly certPath: string; readonly keyPath: string } | undefined;
  readonly token: string;
  readonly enrollSecret: string;
  /** One more gateway, ready when the promise resolves. `env` wins over all other variables. */
  addGateway(env?: Readonly<Record<string, string>>): Promise<ServerProgram>;
  /** One more real agent with an identity of its own; resolves when a gateway holds its session and the API lists it as connected. */
  addAgent(options?: AgentOptions): Promise<Program>;
  /** Stops everything in the reverse order of starting, within about 8 s. Idempotent. */
  stop(): Promise<void>;
}
