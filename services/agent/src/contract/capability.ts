import type { WelcomeBody } from '@muster/protocol';
import type { Session } from './session.js';
import type { FrameHandlers } from './session-frames.js';

/**
 * Something that an agent does for its gateway, such as answering queries. `run.ts` lists the capabilities; the
 * connection manager calls them all in the order of that list and knows none of them.
 *
 *     ready ──▶ frames, writable ──▶ ended ──▶ ready (of the next session) ──▶ …
 *
 * At most one session is active: when a session moves, `ended` of the old one comes before `ready` of the new one.
 */
export interface Capability {
  /** What HELLO announces (`CAPABILITY` of the protocol). Called for each HELLO, also while a session is active. */
  flags(): readonly string[];
  /** The frames that it handles. Two capabilities cannot handle the same frame. */
  readonly frames?: FrameHandlers;
  /** A session is active from now on. */
  ready?(session: Session, welcome: WelcomeBody): void;
  /** The session has room again after a `send` returned `full`. */
  writable?(): void;
  /** Over Poll: a request is about to be sent, and takes along what is sent now. */
  polling?(): void;
  /** The session is not active any more; nothing can be sent over it. */
  ended?(): void;
}
