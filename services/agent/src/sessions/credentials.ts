import type { ChallengeBody } from '@muster/protocol';
import type { IdentityHello } from '../identity/agent-identity.js';
import type { EnrolOutcome } from '../identity/enrol.js';

/** The agent's identity, as far as a session needs it. */
export interface Credentials {
  token(): string | undefined;
  /** The next token from the gateway, or `undefined` when the current one was refused. */
  setToken(token: string | undefined): void;
  enrol(signal: AbortSignal): Promise<EnrolOutcome>;
  hello(challenge: ChallengeBody, token: string): IdentityHello;
  /** A proof of the key, for a request that would otherwise have to wait behind others with the same token. */
  connectProof(token: string): string;
}
