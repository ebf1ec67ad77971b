import type { WelcomeBody } from '@muster/protocol';
import type { Capability } from '../contract/capability.js';
import type { Session } from '../contract/session.js';
import type { FrameHandlers, SessionFrame } from '../contract/session-frames.js';

/** All capabilities of an agent, called as one. Throws when two of them handle the same frame. */
export class CapabilitySet {
  readonly #capabilities: readonly Capability[];
  readonly #handlers: FrameHandlers;

  constructor(capabilities: readonly Capability[]) {
    this.#capabilities = capabilities;
    const tables = capabilities.map(({ frames }) => frames ?? {});
    this.#handlers = Object.assign({}, ...tables) as FrameHandlers;
    const kinds = tables.flatMap((table) => Object.keys(table));
    const twice = kinds.find((kind, at) => kinds.indexOf(kind) !== at);
    if (twice !== undefined) throw new Error(`two capabilities handle the frame "${twice}"`);
  }

  flags(): string[] {
    return this.#capabilities.flatMap((one) => one.flags());
  }

  /** Passes a frame to the capability that handles it. A frame that none handles is ignored. */
  frame({ kind, body, ref }: SessionFrame): void {
    // Sound: the handlers and the frames are typed by the same kinds.
    const handle = this.#handlers[kind] as ((of: typeof body, ref: number) => void) | undefined;
    handle?.(body, ref);
  }

  ready(session: Session, welcome: WelcomeBody): void {
    for (const one of this.#capabilities) one.ready?.(session, welcome);
  }

  writable(): void {
    for (const one of this.#capabilities) one.writable?.();
  }

  polling(): void {
    for (const one of this.#capabilities) one.polling?.();
  }

  ended(): void {
    for (const one of this.#capabilities) one.ended?.();
  }
}
