import type { ServiceConfig } from './common-fields.js';

type NatsLogin = Pick<ServiceConfig, 'natsUrls' | 'natsUser' | 'natsPassword'>;
type RedisLogin = Pick<ServiceConfig, 'redisUrl' | 'redisUser' | 'redisPassword'>;

/** The NATS servers with the login of this service: its name is its user, unless a setting says otherwise. */
export function natsServersFor({ natsUrls, natsUser, natsPassword }: NatsLogin, service: string): readonly string[] {
  if (natsPassword === undefined) return natsUrls;
  return natsUrls.map((url) => withLogin(url, natsUser ?? service, natsPassword.reveal()));
}

/** The URL of Redis with the login of this service. */
export function redisUrlFor({ redisUrl, redisUser, redisPassword }: RedisLogin): string {
  return redisPassword === undefined ? redisUrl : withLogin(redisUrl, redisUser, redisPassword.reveal());
}

/** Not by `URL`, which knows no lists of hosts. */
function withLogin(url: string, user: string, password: string): string {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  return url.replace(/^([a-z-]+:\/\/)(?:[^@/]*@)?/, (_, scheme: string) => scheme + login);
}
