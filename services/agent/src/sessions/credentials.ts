import type { ChallengeBody, HelloBody } from '@muster/protocol';
import type { EnrolOutcome } from '../identity/enrol.js';

/** The agent's identity, as far as a session needs it. */
export interface Credentials {
  token(): string | undefined;
  /** The gateway's next token, or `undefined` when the one we have is refused. */
  setToken(token: string | undefined): void;
  enrol(signal: AbortSignal): Promise<EnrolOutcome>;
  hello(challenge: ChallengeBody, token: string): HelloBody;
}
