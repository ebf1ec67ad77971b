import type { StreamStore } from '@muster/bus';
import type { Clock, Logger } from '@muster/runtime';
import type { CredentialVerifier } from '../auth/credential-verifier.js';
import { SessionAuthenticator } from './session-authenticator.js';
import { SessionStore } from './session-store.js';
import { Sessions } from './sessions.js';

export interface SignInOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly verifier: CredentialVerifier;
  /** How long a session lasts without use; an hour. */
  readonly sessionIdleMs?: number;
  /** How long it lasts at most; twelve hours. */
  readonly sessionMaxMs?: number;
}

const HOUR_MS = 3_600_000;

/** The parts of signing in to the console. */
export function createSignIn({ verifier, streams, clock, logger, ...options }: SignInOptions) {
  const { sessionIdleMs: idleMs = HOUR_MS, sessionMaxMs: maxMs = 12 * HOUR_MS } = options;
  const store = new SessionStore({ streams, logger, clock });
  const sessions = new Sessions({ store, verifier, clock, idleMs, maxMs });
  return { store, sessions, verifier, authenticator: new SessionAuthenticator(verifier, sessions) };
}

export type SignIn = ReturnType<typeof createSignIn>;
