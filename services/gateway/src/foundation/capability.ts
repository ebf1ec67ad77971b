import type { Bus } from '@muster/bus';
import type { CloseReason, FrameType, Header, HelloBody, WelcomeBody } from '@muster/protocol';
import type { Clock, Component, Logger, Metrics, Tracer } from '@muster/runtime';
import type { GatewayIdentity } from './gateway-identity.js';
import type { HubView, SessionView } from './session-view.js';

/**
 * Something that agents can do and that this gateway passes on: queries, commands, modes. The session manager calls these hooks and knows
 * nothing else of a capability. Hooks run in the event loop of the sockets: they must not block, and must not throw.
 *
 *     HELLO ──▶ welcome ──WELCOME sent──▶ ready ──▶ frames … relabelled … ──▶ closed
 *
 * `start` runs before any session is ready, `stop` after all are closed.
 */
export interface Capability extends Component {
  /** What agents that have it say in HELLO. */
  readonly name: string;
  /** Further words of a HELLO that it looks at. */
  readonly alsoSaid?: readonly string[];
  /** The frames that it takes from ready sessions. A frame type belongs to one capability at most. */
  readonly frames: readonly FrameRoute[];
  /** Called for each session before WELCOME is sent; returns what it adds to it. */
  welcome?(session: SessionView): WelcomeAddition | undefined;
  /** WELCOME was sent; frames that are sent now go out in the same write. */
  ready?(session: SessionView, hello: HelloRemainder): void;
  /** A session that was ready has ended. */
  closed?(session: SessionView): void;
  /** Operators changed the labels of the session: it has another profile. */
  relabelled?(session: SessionView): void;
  /** This gateway may have been replaced while its process stood still. It has a new id, and all its sessions are about to be closed. */
  fenced?(): void;
  /** Others may have treated this gateway as dead for a while. It goes on with its sessions. */
  lapsed?(): void;
}

export interface FrameRoute {
  readonly type: FrameType;
  /** Whether the frame's `ref` names something. Other frames must have 0 there. */
  readonly hasRef?: boolean;
  /**
   * `body` is only good during the call. `ageMs`: what the frame says was true so long ago, as its agent says; 0 over
   * Live. Returns why the session must end, if it must.
   */
  readonly handle: (session: SessionView, header: Header, body: Uint8Array, ageMs: number) => FrameFault | undefined;
}

/** Why a session must end. */
export interface FrameFault {
  readonly reason: CloseReason;
  readonly detail: string;
}

export function malformed(what: string): FrameFault {
  return { reason: 'protocolError', detail: `malformed ${what}` };
}

/** What capabilities may add to WELCOME. */
export type WelcomeAddition = Partial<Pick<WelcomeBody, 'commandKeys' | 'mode'>>;

/** What of HELLO is kept until the session is ready. */
export type HelloRemainder = Pick<HelloBody, 'away'>;

/** What every capability is made with. */
export interface CapabilityContext {
  readonly bus: Bus;
  readonly hub: HubView;
  readonly identity: GatewayIdentity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
}
