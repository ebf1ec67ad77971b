import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BROKER_RIGHTS, REDIS_RIGHTS, type BrokerUser, type RedisUser } from '@muster/messages';
import { newPassword, servicePassword, writePrivateFile, type BrokerLogin } from '../brokers/index.js';
import { readOrCreate } from './command-keys.js';

/** The logins of brokers that the runner starts, made once. */
export async function ensureBrokerLogins(
  folder: string,
): Promise<{ readonly nats: BrokerLogin; readonly redis: BrokerLogin }> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const [nats, redis] = await Promise.all(
    ['nats-password', 'redis-password'].map((name) => readOrCreate(join(folder, name), newPassword)),
  );
  return { nats: { user: 'muster', password: nats ?? '' }, redis: { user: 'default', password: redis ?? '' } };
}

/** Where programs find a broker: its address, and the file of the password. */
export interface BrokerAddress {
  readonly url: string;
  readonly user?: string;
  readonly passwordPath?: string;
  readonly rights?: 'own' | 'all';
}

/** Where each kind of service finds NATS: with its own user, where that NATS is one of `natsAccess`. */
export async function natsAddresses(
  folder: string,
  url: string,
  rights: 'own' | 'all',
): Promise<(kind: string) => BrokerAddress> {
  const tools = await brokerAddress(folder, 'nats', url);
  if (rights === 'all') return () => ({ ...tools, rights });
  const { username, password } = new URL(url);
  const own = new Map<string, BrokerAddress>();
  for (const user of Object.keys(BROKER_RIGHTS) as BrokerUser[]) {
    const passwordPath = join(folder, `nats-${user}-password`);
    await writePrivateFile(passwordPath, `${servicePassword({ user: username, password }, user)}\n`);
    own.set(user, { url: tools.url, user, passwordPath, rights });
  }
  return (kind) => own.get(kind) ?? tools;
}

/** Where each kind of service finds Redis: with its own user, where that Redis has them (`redisAccess`). */
export async function redisAddresses(
  folder: string,
  url: string,
  rights: 'own' | 'all',
): Promise<(kind: string) => BrokerAddress> {
  const tools = await brokerAddress(folder, 'redis', url);
  if (rights === 'all') return () => tools;
  const { username, password } = new URL(url);
  const own = new Map<string, BrokerAddress>();
  for (const user of Object.keys(REDIS_RIGHTS) as RedisUser[]) {
    const passwordPath = join(folder, `redis-${user}-password`);
    await writePrivateFile(passwordPath, `${servicePassword({ user: username, password }, user)}\n`);
    own.set(user, { url: tools.url, user, passwordPath });
  }
  return (kind) => own.get(kind) ?? tools;
}

/**
 * Takes the login out of a broker's URL, and its password into a file: every operator who may query `process_envs` can read a process's
 * environment.
 */
export async function brokerAddress(folder: string, name: 'nats' | 'redis', url: string): Promise<BrokerAddress> {
  const match = /^([a-z-]+:\/\/)([^@/:]*):([^@/]+)@([^@]*)$/.exec(url);
  // Several servers of NATS have a login each.
  if (match === null) return { url };
  const [, scheme = '', user = '', password = '', hosts = ''] = match;
  const passwordPath = join(folder, `${name}-client-password`);
  await writePrivateFile(passwordPath, `${decodeURIComponent(password)}\n`);
  return { url: scheme + hosts, passwordPath, ...(user === '' ? {} : { user: decodeURIComponent(user) }) };
}
