import type { ServiceConfig } from './common-fields.js';

type NatsLogin = Pick<ServiceConfig, 'natsUrls' | 'natsUser' | 'natsPassword' | 'natsCa'>;
type RedisLogin = Pick<ServiceConfig, 'redisUrl' | 'redisUser' | 'redisPassword'>;

/** Where NATS is for this service, and what vouches for it over TLS. */
export function natsAddress(
  config: NatsLogin,
  service: string,
): { readonly servers: readonly string[]; readonly ca?: string } {
  const { natsCa } = config;
  return { servers: serversFor(config, service), ...(natsCa === undefined ? {} : { ca: natsCa.reveal() }) };
}

/** The servers with the login of this service: its name is its user, unless a setting says otherwise. */
function serversFor({ natsUrls, natsUser, natsPassword }: NatsLogin, service: string): readonly string[] {
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
