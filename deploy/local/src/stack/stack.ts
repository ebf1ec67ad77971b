import type { ProgramKind, ProgramSettings } from './programs.js';

export interface StackOptions {
  /** Holds keys, certificates, logs and the agents' data. Created when it is missing. Two stacks never share one. */
  readonly folder: string;
  readonly natsUrl: string;
  /** `own`: the URL is of a NATS of `natsAccess`, where each kind of service has a user with its own rights. Default `all`. */
  readonly natsRights?: 'own' | 'all';
  readonly redisUrl: string;
  /**
   * `own`: the URL is of a Redis that was started with a login, where each kind of service has a user with its own
   * rights. Default `all`.
   */
  readonly redisRights?: 'own' | 'all';
  /** Whether NATS has records of a version that did not sign them; they are signed before anything starts. */
  readonly signsKept?: boolean;
  /** What NATS may store, where that is known. */
  readonly storageLimitBytes?: number | undefined;
  /** How many of each. Default: 1 of each service, and no agent. */
  readonly gateways?: number;
  readonly queries?: number;
  readonly commands?: number;
  readonly telemetries?: number;
  /** Default: none. */
  readonly postures?: number;
  readonly apis?: number;
  readonly agent?: boolean;
  /** Default true. */
  readonly tls?: boolean;
  /** Whether programs that end by themselves are restarted. Default false. */
  readonly restart?: boolean;
  readonly logLevel?: string;
  /** Variables that the stack's own variables override. */
  readonly settings?: ProgramSettings;
  /** Variables that override the stack's own. */
  readonly env?: ProgramSettings;
  readonly nodeArgs?: Partial<Record<ProgramKind, readonly string[]>>;
  /** The folder that has the programs, where they are of another version. */
  readonly services?: string;
  /** Called with a message at unexpected ends and restarts. */
  readonly onEvent?: (text: string) => void;
}

/** One program of a running stack. */
export interface Program {
  readonly name: string;
  /** Changes at a restart; -1 while there is none. */
  readonly pid: number;
  /** Absent where a program has no such port. */
  readonly url?: string;
  readonly healthUrl?: string;
  signal(signal: NodeJS.Signals): boolean;
  /** From its next start on it is of the version in this folder; without one, of this product's own. */
  useVersion(services?: string): void;
  /** Resolves when its current run has ended. */
  exited(): Promise<void>;
  stop(): Promise<void>;
}

/** A program that others connect to. */
export type ServerProgram = Program & { readonly url: string };

export interface AgentOptions {
  /** Where it connects, for example a load balancer. Default: the stack's gateways. */
  readonly gatewayUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The folder that has its program, where it is of another version. */
  readonly services?: string;
}

export interface Stack {
  readonly folder: string;
  readonly org: string;
  readonly apiUrl: string;
  readonly gateways: readonly ServerProgram[];
  readonly queries: readonly Program[];
  readonly commands: readonly Program[];
  readonly telemetries: readonly Program[];
  readonly postures: readonly Program[];
  readonly apis: readonly ServerProgram[];
  readonly agents: readonly Program[];
  /** Undefined without TLS. */
  readonly caPath: string | undefined;
  /** PEM files of the servers' certificate and key, for a proxy in front of them in a test. Undefined without TLS. */
  readonly serverTls: { readonly certPath: string; readonly keyPath: string } | undefined;
  readonly token: string;
  readonly enrollSecret: string;
  /** Starts one more gateway; resolves when it is ready. `env` overrides all other variables. */
  addGateway(env?: Readonly<Record<string, string>>): Promise<ServerProgram>;
  /** Starts one more real agent with its own identity. Resolves when the API lists it as connected. */
  addAgent(options?: AgentOptions): Promise<Program>;
  /** Stops everything in the reverse order of starting, within about 8 s. Idempotent. */
  stop(): Promise<void>;
}
