import { publicJwks, type AgentTokenIssuer, type AgentTokenVerifier } from '@muster/identity';
import type { ServiceBase } from '@muster/service-base';
import type { GatewayConfig } from './config.js';
import type { Enrolment } from './edge/enrolment.js';
import type { SessionNames } from './edge/poll/session-names.js';

type SecretConfig = Pick<GatewayConfig, 'tokenKeys' | 'enrollSecrets' | 'commandRoots'>;

export interface SecretUsers {
  readonly issuer: AgentTokenIssuer;
  readonly verifier: AgentTokenVerifier;
  readonly names: SessionNames;
  readonly enrolment: Enrolment;
}

/** Who uses which secret of the gateway, and gets it when its file has changed. Sessions that are open stay. */
export function followSecrets(
  secrets: ServiceBase['secrets'],
  { tokenKeys, enrollSecrets, commandRoots }: SecretConfig,
  { issuer, verifier, names, enrolment }: SecretUsers,
): void {
  secrets.follow({ tokenKeys }, ({ tokenKeys: { jwks } }) => {
    // This one throws for an invalid key, and nothing has changed then.
    verifier.renew(publicJwks(jwks));
    issuer.renew(jwks);
    names.renew(jwks);
    const kids = jwks.keys.map(({ kid }) => kid);
    return { signs: kids[0], verifies: kids };
  });
  secrets.follow({ enrollSecrets }, ({ enrollSecrets: { secrets: next } }) => {
    enrolment.renewSecrets(next);
    return { secrets: next.all.map(({ org, name }) => `${org}/${name}`) };
  });
  secrets.follow({ commandRoots }, ({ commandRoots: roots }) => {
    enrolment.renewCommandRoots(roots?.jwks.keys ?? []);
    return { roots: (roots?.jwks.keys ?? []).map(({ kid }) => kid) };
  });
}
