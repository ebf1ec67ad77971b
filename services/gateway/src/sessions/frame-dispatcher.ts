import type { Header } from '@muster/protocol';
import type { Capability, FrameFault, FrameRoute } from '../foundation/capability.js';
import type { Session } from './hub/session.js';

/** Hands each frame of a ready session to the capability that takes frames of its type. */
export class FrameDispatcher {
  /** By frame type. */
  readonly #routes: (FrameRoute | undefined)[] = [];

  /** @throws TypeError when two capabilities take the same frames. */
  constructor(capabilities: readonly Pick<Capability, 'name' | 'frames'>[]) {
    for (const { name, frames } of capabilities) {
      for (const route of frames) {
        if (this.#routes[route.type] !== undefined) throw new TypeError(`${name} takes frames that are taken`);
        this.#routes[route.type] = route;
      }
    }
  }

  /** Returns why the session must end, if it must. */
  dispatch(session: Session, header: Header, body: Uint8Array, ageMs: number): FrameFault | undefined {
    const route = this.#routes[header.type];
    if (header.ref !== 0 && route?.hasRef !== true)
      return { reason: 'protocolError', detail: 'a handle where none is meant' };
    if (session.state !== 'ready' || route === undefined)
      return { reason: 'protocolError', detail: `frame type ${header.type} is not expected now` };
    return route.handle(session, header, body, ageMs);
  }
}
