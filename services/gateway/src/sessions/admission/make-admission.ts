import type { StreamStore } from '@muster/bus';
import { DirectoryWriter } from '@muster/directory';
import {
  AgentTokenIssuer,
  AgentTokenVerifier,
  parseEnrollSecrets,
  parsePublicJwks,
  parseSigningJwks,
  publicJwks,
} from '@muster/identity';
import type { AgentId } from '@muster/protocol';
import { TokenBucket, type Clock, type Logger } from '@muster/runtime';
import { connectionsThatFit, type GatewayConfig } from '../../config.js';
import type { GatewayMetrics } from '../../metrics.js';
import { SessionNames } from '../../edge/poll/session-names.js';
import { DenialAuditor } from './denial-auditor.js';
import { AdmissionControl } from './admission-control.js';
import { Enrolment } from '../../edge/enrolment.js';
import { OperatorOverrides } from '../../foundation/operator-overrides.js';

export interface AdmissionParts {
  readonly streams: StreamStore;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly connections: () => number;
  readonly draining: () => boolean;
  readonly mayChallenge: (agentId: AgentId) => boolean;
}

/** What decides who gets in. */
export function makeAdmission(config: GatewayConfig, parts: AdmissionParts) {
  const { streams, clock, logger } = parts;
  const jwks = parseSigningJwks(config.tokenKeys.reveal());
  const secrets = parseEnrollSecrets(config.enrollSecrets.reveal());
  if (!jwks.ok || !secrets.ok) throw new TypeError('keys and secrets are checked when the configuration is read');
  const roots = config.commandRoots === undefined ? undefined : parsePublicJwks(config.commandRoots.reveal());
  if (roots?.ok === false) throw new TypeError('the roots are checked when the configuration is read');
  const issuer = new AgentTokenIssuer(jwks.jwks);
  const directory = new DirectoryWriter({ streams });
  const overrides = new OperatorOverrides({ streams, logger });
  const audit = new DenialAuditor({ streams, clock, logger, metrics: parts.metrics });
  const admission = new AdmissionControl({
    ...parts,
    verifier: new AgentTokenVerifier(publicJwks(jwks.jwks)),
    overrides,
    audit,
    rate: new TokenBucket({ capacity: config.upgradeBurst, refillPerSecond: config.upgradeRate, clock }),
    maxConnections: config.maxConnections ?? connectionsThatFit(),
  });
  const enrolment = new Enrolment({
    ...parts,
    secrets: secrets.secrets,
    commandRoots: roots?.jwks.keys ?? [],
    issuer,
    directory,
    overrides,
    audit,
    rate: new TokenBucket({ capacity: config.enrollBurst, refillPerSecond: config.enrollRate, clock }),
  });
  const names = new SessionNames(jwks.jwks);
  return { issuer, directory, overrides, audit, admission, enrolment, names };
}
