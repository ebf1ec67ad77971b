import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import type { BrokerAddress } from './broker-logins.js';
import type { ChildSpec } from './child.js';
import type { CertificateFiles } from './certificates.js';
import { LOCAL_ORG, type StackSecrets } from './secrets.js';

export type ProgramKind = 'setup' | 'gateway' | 'query' | 'command' | 'telemetry' | 'posture' | 'api' | 'agent';

/** Variables for each kind of program. */
export type ProgramSettings = Partial<Record<ProgramKind, Readonly<Record<string, string>>>>;

const SERVICES = fileURLToPath(new URL('../../../../services/', import.meta.url));

/** The built files of the console; `undefined` where it is not built. */
export function consoleFolder(services = SERVICES): string | undefined {
  const folder = join(services, 'console/dist/web');
  return existsSync(join(folder, 'index.html')) ? folder : undefined;
}

/** The settings that all programs of one stack share. */
export interface StackSetting {
  readonly folder: string;
  /** By kind of program. */
  readonly nats: (kind: ProgramKind) => BrokerAddress;
  readonly redis: (kind: ProgramKind) => BrokerAddress;
  /** What NATS may store, where that is known. */
  readonly storageLimitBytes?: number;
  readonly secrets: StackSecrets;
  /** Without it all programs use plain HTTP and WebSocket on loopback. */
  readonly tls?: CertificateFiles;
  readonly logLevel: string;
  /** Variables that the stack's own variables override. */
  readonly settings: ProgramSettings;
  /** Variables that override the stack's own. */
  readonly env: ProgramSettings;
  /** Arguments for Node itself, for profiles of a bench. */
  readonly nodeArgs?: Partial<Record<ProgramKind, readonly string[]>>;
  /** The folder that has the programs; another one has another version of them. Default: this product's own. */
  readonly services?: string;
}

/**
 * The compiled entry of a program. `npm test` bundles each program into one file, which loads in less than half of the
 * processor time, and says in `MUSTER_TEST_PROGRAMS` where they are.
 */
export function mainOf(kind: ProgramKind | 'cli', services?: string): string {
  const bundles = process.env['MUSTER_TEST_PROGRAMS'];
  return services === undefined && bundles !== undefined
    ? join(bundles, kind, 'dist/bin/main.js')
    : join(services ?? SERVICES, kind, 'dist/main.js');
}

/** How a program is started: its environment and the paths of its files. `extra` overrides everything. */
export function programSpec(
  kind: ProgramKind,
  name: string,
  setting: StackSetting,
  extra: Readonly<Record<string, string>> = {},
): ChildSpec {
  const nodeArgs = setting.nodeArgs?.[kind];
  return {
    name,
    main: mainOf(kind, setting.services),
    ...(nodeArgs ? { nodeArgs } : {}),
    env: {
      ...inherited(),
      MUSTER_LOG_LEVEL: setting.logLevel,
      MUSTER_STOP_TIMEOUT: '6s',
      ...setting.settings[kind],
      ...ENVIRONMENTS[kind](setting),
      ...setting.env[kind],
      ...extra,
    },
    logPath: join(setting.folder, 'logs', `${name}.log`),
    readyPath: join(setting.folder, 'run', `${name}.json`),
    portVariables: PORT_VARIABLES[kind],
  };
}

/** Signs, once, what a version before has kept without signatures. */
export function signRecordsSpec(setting: StackSetting): ChildSpec {
  const main = join(SERVICES, 'api/dist/sign-records/main.js');
  return { ...programSpec('api', 'sign-records', setting), main, args: ['--yes'] };
}

/** The few variables that a program inherits. All others are passed explicitly. */
function inherited(): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'NODE_EXTRA_CA_CERTS', 'USER'];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

const brokers = (kind: ProgramKind, setting: StackSetting): Record<string, string> => ({
  ...storage(setting),
  ...brokerSettings('NATS', setting.nats(kind)),
  ...brokerSettings('REDIS', setting.redis(kind)),
  MUSTER_RECORD_PUBLIC_KEYS_FILE: setting.secrets.recordPublicKeysPath,
  MUSTER_UNSIGNED_RECORDS: 'refuse',
});

const storage = ({ storageLimitBytes }: StackSetting): Record<string, string> =>
  storageLimitBytes === undefined ? {} : { MUSTER_STORAGE_LIMIT: String(storageLimitBytes) };

function brokerSettings(broker: string, { url, user, passwordPath, rights }: BrokerAddress): Record<string, string> {
  return {
    [`MUSTER_${broker}_URL`]: url,
    ...(user === undefined ? {} : { [`MUSTER_${broker}_USER`]: user }),
    ...(rights === undefined ? {} : { [`MUSTER_${broker}_RIGHTS`]: rights }),
    ...(passwordPath === undefined ? {} : { [`MUSTER_${broker}_PASSWORD_FILE`]: passwordPath }),
  };
}

const serverTls = ({ tls }: StackSetting): Record<string, string> =>
  tls === undefined ? {} : { MUSTER_TLS_CERT_FILE: tls.certPath, MUSTER_TLS_KEY_FILE: tls.keyPath };

function consoleSettings({ services }: StackSetting): Record<string, string> {
  const folder = consoleFolder(services);
  return folder === undefined ? {} : { MUSTER_API_CONSOLE_DIR: folder };
}

const ENVIRONMENTS: Readonly<Record<ProgramKind, (setting: StackSetting) => Record<string, string>>> = {
  setup: (setting) => ({ ...storage(setting), ...brokerSettings('NATS', setting.nats('setup')) }),
  gateway: (setting) => ({
    ...brokers('gateway', setting),
    ...serverTls(setting),
    MUSTER_GATEWAY_HOST: '127.0.0.1',
    MUSTER_GATEWAY_PORT: '0',
    // All agents of one machine have one address, and get half of this.
    MUSTER_GATEWAY_ENROLL_RATE: '2000',
    // Shorter than the stop timeout above, so that agents get the time that they are promised.
    MUSTER_GATEWAY_DRAIN_SPREAD: '2s',
    MUSTER_GATEWAY_DRAIN_GRACE: '1s',
    MUSTER_HEALTH_HOST: '127.0.0.1',
    MUSTER_HEALTH_PORT: '0',
    MUSTER_AGENT_TOKEN_KEYS_FILE: setting.secrets.agentTokenKeysPath,
    MUSTER_ENROLL_SECRETS_FILE: setting.secrets.enrollSecretsPath,
    MUSTER_COMMAND_ROOTS_FILE: setting.secrets.commandKeys.rootsPath,
  }),
  query: (setting) => ({
    ...brokers('query', setting),
    MUSTER_HEALTH_HOST: '127.0.0.1',
    MUSTER_HEALTH_PORT: '0',
  }),
  command: (setting) => ({
    ...brokers('command', setting),
    MUSTER_HEALTH_HOST: '127.0.0.1',
    MUSTER_HEALTH_PORT: '0',
    MUSTER_COMMAND_KEYS_FILE: setting.secrets.commandKeys.keysPath,
    MUSTER_COMMAND_KEY_LIST_FILE: setting.secrets.commandKeys.keyListPath,
    MUSTER_COMMAND_REQUEST_KEY_FILE: setting.secrets.commandRequestKeyPath,
  }),
  telemetry: (setting) => ({
    ...brokers('telemetry', setting),
    MUSTER_HEALTH_HOST: '127.0.0.1',
    MUSTER_HEALTH_PORT: '0',
  }),
  posture: (setting) => ({
    ...brokers('posture', setting),
    MUSTER_HEALTH_HOST: '127.0.0.1',
    MUSTER_HEALTH_PORT: '0',
  }),
  api: (setting) => ({
    ...brokers('api', setting),
    ...serverTls(setting),
    MUSTER_API_HOST: '127.0.0.1',
    MUSTER_API_PORT: '0',
    MUSTER_HEALTH_HOST: '127.0.0.1',
    MUSTER_HEALTH_PORT: '0',
    ...consoleSettings(setting),
    MUSTER_BOOTSTRAP_TOKEN_FILE: setting.secrets.tokenPath,
    MUSTER_BOOTSTRAP_ORG: LOCAL_ORG,
    MUSTER_RECORD_KEYS_FILE: setting.secrets.recordKeysPath,
    MUSTER_API_AUDIT_HEADS_FILE: join(setting.folder, 'audit-heads.ndjson'),
    MUSTER_COMMAND_REQUEST_KEY_FILE: setting.secrets.commandRequestKeyPath,
  }),
  agent: (setting) => ({
    MUSTER_ORG: LOCAL_ORG,
    MUSTER_ENROLL_SECRET_FILE: setting.secrets.enrollSecretPath,
    ...(setting.tls === undefined ? {} : { MUSTER_GATEWAY_CA: setting.tls.caPath }),
  }),
};

const PORT_VARIABLES: Readonly<Record<ProgramKind, Readonly<Record<string, string>>>> = {
  setup: {},
  gateway: { gateway: 'MUSTER_GATEWAY_PORT', health: 'MUSTER_HEALTH_PORT' },
  query: { health: 'MUSTER_HEALTH_PORT' },
  command: { health: 'MUSTER_HEALTH_PORT' },
  telemetry: { health: 'MUSTER_HEALTH_PORT' },
  posture: { health: 'MUSTER_HEALTH_PORT' },
  api: { api: 'MUSTER_API_PORT', health: 'MUSTER_HEALTH_PORT' },
  agent: {},
};
