import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BROKER_RIGHTS,
  natsAuthorization,
  REDIS_RIGHTS,
  redisAcl,
  type BrokerUser,
  type RedisUser,
} from '@muster/messages';
import { newPassword, writePrivateFile } from '../brokers/broker-login.js';
import { natsRoutes } from '../brokers/nats-routes.js';
import { ensureCertificates } from '../stack/certificates.js';
import { readOrCreate } from '../stack/command-keys.js';
import { ensureSecrets } from '../stack/secrets.js';

/** Each has a user of its own name at NATS; those of streams alone have none at Redis. */
const BROKER_USERS = Object.keys(BROKER_RIGHTS) as BrokerUser[];

export interface InstallationOptions {
  readonly folder: string;
  readonly org: string;
  /** Names by which agents and operators reach gateways and API. */
  readonly names: readonly string[];
  /** Whether every user of the brokers, and the routes between NATS servers, get new passwords. Default: those that are there stay. */
  readonly rotateBrokers?: boolean;
}

/**
 * The first three servers of each shipped cluster; more of them find the others through these. Their names are in the secret, because a
 * server shows the password of a route only where it stands in the route's URL.
 */
const ROUTES = {
  'compose-routes.conf': [1, 2, 3].map((n) => `nats-${n}:6222`),
  'cluster-routes.conf': [0, 1, 2].map((n) => `muster-nats-${n}.muster-nats:6222`),
};

/** Name of a Secret → key → text. */
export type SecretTexts = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * First-time secrets of an installation, as files in one folder that only its owner can read. What is there is kept, so
 * it may be run again. The private command root is among them and in no Secret: move it to where no server is.
 */
export async function ensureInstallation(options: InstallationOptions): Promise<SecretTexts> {
  const { folder, org, names, rotateBrokers = false } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const secrets = await ensureSecrets(folder, org);
  const tls = await ensureCertificates(join(folder, 'tls'), Date.now(), names);
  const { logins, routePassword } = await ensureLogins(join(folder, 'brokers'), rotateBrokers);
  const routes = Object.entries(ROUTES).map(([file, hosts]) => [file, natsRoutes(routePassword, hosts).trim()]);
  const read = async (path: string): Promise<string> => (await readFile(path, 'utf8')).trim();
  const certificate = { 'tls.crt': await read(tls.certPath), 'tls.key': await read(tls.keyPath) };
  const ca = { 'ca.crt': await read(tls.caPath) };
  return {
    'muster-agent-tokens': { 'agent-token-keys.json': await read(secrets.agentTokenKeysPath) },
    'muster-enrolment': { 'enroll-secrets': await read(secrets.enrollSecretsPath) },
    'muster-agent-enrolment': { 'enroll-secret': secrets.enrollSecret },
    'muster-command-roots': { 'command-roots.json': await read(secrets.commandKeys.rootsPath) },
    'muster-command-signing': {
      'command-keys.json': await read(secrets.commandKeys.keysPath),
      'command-key-list.jws': await read(secrets.commandKeys.keyListPath),
    },
    'muster-command-request': { 'command-request-key': await read(secrets.commandRequestKeyPath) },
    'muster-record-signing': { 'record-keys.json': await read(secrets.recordKeysPath) },
    'muster-record-keys': { 'record-public-keys.json': await read(secrets.recordPublicKeysPath) },
    'muster-operator': { 'bootstrap-token': secrets.token },
    'muster-gateway-tls': certificate,
    'muster-api-tls': certificate,
    'muster-gateway-ca': ca,
    'muster-nats-users': { 'users.conf': natsUsers(logins), ...(Object.fromEntries(routes) as Record<string, string>) },
    'muster-redis-users': { 'users.acl': redisUsers(logins) },
    ...Object.fromEntries(
      logins.map(({ user, nats, redis }) => [
        `muster-${user}-brokers`,
        { 'nats-password': nats, ...(redis === undefined ? {} : { 'redis-password': redis }) },
      ]),
    ),
  };
}

/**
 * Writes every Secret as a folder with a file per key, as a cluster mounts them: for compose. The folder above them
 * lets only its owner in; what is mounted out of it can be read by the user of a container.
 */
export async function writeSecretFolders(folder: string, secrets: SecretTexts): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, texts] of Object.entries(secrets)) {
    await mkdir(join(folder, name), { recursive: true, mode: 0o755 });
    for (const [key, text] of Object.entries(texts)) {
      await writePrivateFile(join(folder, name, key), `${text}\n`);
      await chmod(join(folder, name, key), 0o644);
    }
  }
}

/** The Secrets as Kubernetes reads them. */
export function secretManifests(secrets: SecretTexts, namespace: string): string {
  return Object.entries(secrets)
    .map(([name, texts]) => secretManifest(name, namespace, texts))
    .join('---\n');
}

function secretManifest(name: string, namespace: string, texts: Readonly<Record<string, string>>): string {
  const data = Object.entries(texts).map(([key, text]) => `  ${key}: ${Buffer.from(`${text}\n`).toString('base64')}`);
  const type = 'tls.crt' in texts ? 'kubernetes.io/tls' : 'Opaque';
  const metadata = ['metadata:', `  name: ${name}`, `  namespace: ${namespace}`];
  return ['apiVersion: v1', 'kind: Secret', ...metadata, `type: ${type}`, 'data:', ...data, ''].join('\n');
}

interface Login {
  readonly user: BrokerUser;
  readonly nats: string;
  readonly redis: string | undefined;
}

async function ensureLogins(folder: string, rotate: boolean): Promise<{ logins: Login[]; routePassword: string }> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const password = async (name: string): Promise<string> => {
    if (rotate) await writePrivateFile(join(folder, name), newPassword());
    return readOrCreate(join(folder, name), newPassword);
  };
  const logins = await Promise.all(
    BROKER_USERS.map(async (user) => ({
      user,
      nats: await password(`nats-${user}`),
      redis: !Object.hasOwn(REDIS_RIGHTS, user) ? undefined : await password(`redis-${user}`),
    })),
  );
  return { logins, routePassword: await password('nats-routes') };
}

/** Each kind of service with its own rights. */
function natsUsers(logins: readonly Login[]): string {
  const passwords = Object.fromEntries(logins.map(({ user, nats }) => [user, nats]));
  return natsAuthorization({ users: passwords as Record<BrokerUser, string> }).trim();
}

/** Each kind of service with its own rights; no user may change users, settings or the server itself. */
function redisUsers(logins: readonly Login[]): string {
  const passwords = Object.fromEntries(
    logins.flatMap(({ user, redis }) => (redis === undefined ? [] : [[user, redis]])),
  );
  return `user default off\n${redisAcl(passwords as Record<RedisUser, string>)}`;
}
