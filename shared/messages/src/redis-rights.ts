/** The users of Redis: one for each kind of service that knows where sessions are. */
export type RedisUser = 'gateway' | 'query' | 'command' | 'telemetry' | 'posture' | 'api';

/** What a connection needs to be made, looked at and probed, on one server and on a cluster. No subcommand that is newer than Redis 6. */
const CONNECTION = ['auth', 'hello', 'ping', 'select', 'info', 'time', 'readonly', 'cluster|slots'];
/** The scripts check each of their commands against the rights of the user who runs them. */
const READS = ['eval', 'evalsha', 'get', 'hget', 'hmget', 'hscan', 'zscore', 'zrangebyscore'];
const WRITES = ['set', 'hset', 'hdel', 'zadd', 'zrem'];

/** The commands of each user, on the keys of the registry alone. Only gateways write: their leases and sessions. */
export const REDIS_RIGHTS: Readonly<Record<RedisUser, readonly string[]>> = {
  gateway: [...CONNECTION, ...READS, ...WRITES],
  query: [...CONNECTION, ...READS],
  command: [...CONNECTION, ...READS],
  // Which gateways are to send their keyframes.
  telemetry: [...CONNECTION, ...READS],
  posture: CONNECTION,
  api: [...CONNECTION, ...READS],
};

/** Every key of the registry begins like this. */
const KEYS = 'muster:v1:*';

/** The lines of these users in an ACL file of Redis 6 or later, or Valkey. Passwords have no blanks. */
export function redisAcl(passwords: Readonly<Record<RedisUser, string>>): string {
  return (Object.keys(REDIS_RIGHTS) as RedisUser[])
    .map((user) => {
      const commands = REDIS_RIGHTS[user].map((command) => `+${command}`).join(' ');
      return `user ${user} reset on >${passwords[user]} ~${KEYS} -@all ${commands}`;
    })
    .join('\n');
}
