import { createHmac, randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import {
  BROKER_RIGHTS,
  natsAuthorization,
  REDIS_RIGHTS,
  redisAcl,
  type BrokerUser,
  type RedisUser,
} from '@muster/messages';

/** A user of a broker. Both parts are letters, digits, `-` and `_`, so that they need no quoting anywhere. */
export interface BrokerLogin {
  readonly user: string;
  readonly password: string;
}

/** A password of 256 bits. */
export function newPassword(): string {
  return randomBytes(32).toString('base64url');
}

/** The URL of a broker on loopback, with the user and password that its clients need. */
export function brokerUrl(scheme: string, port: number, login?: BrokerLogin): string {
  return `${scheme}://${login === undefined ? '' : `${login.user}:${login.password}@`}127.0.0.1:${port}`;
}

/** The users of a NATS: lines of its configuration, and the one whose login is in the URL of the handle. */
export interface NatsAccess {
  readonly config: string;
  readonly login: BrokerLogin;
}

/** A NATS that lets in this user, who may do everything, and each kind of service with its own rights and {@link servicePassword}. */
export function natsAccess(login: BrokerLogin): NatsAccess {
  const users = Object.keys(BROKER_RIGHTS).map((user) => [user, servicePassword(login, user as BrokerUser)] as const);
  const passwords = Object.fromEntries(users) as Record<BrokerUser, string>;
  return { config: natsAuthorization({ users: passwords, tools: login }), login };
}

/**
 * The users of a Redis: the one of the login, who may do everything, and each kind of service with its own rights and
 * {@link servicePassword}.
 */
export function redisAccess(login: BrokerLogin): string {
  const users = (Object.keys(REDIS_RIGHTS) as RedisUser[]).map((user) => [user, servicePassword(login, user)] as const);
  const others = login.user === 'default' ? '' : 'user default off\n';
  const services = redisAcl(Object.fromEntries(users) as Record<RedisUser, string>);
  return `user ${login.user} on >${login.password} ~* &* +@all\n${services}\n${others}`;
}

/**
 * The password of a service at a NATS of {@link natsAccess} or a Redis of {@link redisAccess}. It follows from that of
 * the tools, and not the other way round.
 */
export function servicePassword(tools: BrokerLogin, user: BrokerUser): string {
  return createHmac('sha256', tools.password).update(`muster nats ${user}`).digest('base64url');
}

/** Writes a file that only its owner can read, also where there was one that others could. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, path);
}
