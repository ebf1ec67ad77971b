import { FRAME } from '@muster/protocol';
import type { SampledSession, SampleFrame } from './sampled-session.js';

/** A keyframe has a few hundred bytes: this is room for far more sessions than a gateway holds. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * The last keyframe of each session, unread, and the last delta after it: all that somebody needs who did not hear this
 * session before. They are kept with the session; the store counts their bytes, and keeps no more when there is no
 * room.
 */
export class KeyframeStore {
  readonly #maxBytes: number;
  #count = 0;
  #bytes = 0;

  constructor({ maxBytes = MAX_BYTES }: { readonly maxBytes?: number } = {}) {
    this.#maxBytes = maxBytes;
  }

  /** How many sessions have one. */
  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a KEYFRAME or a DELTA in place of the last one. Returns false when there is no room for it. */
  keep(sampled: SampledSession, frame: SampleFrame): boolean {
    if (frame.type === FRAME.keyframe) {
      this.forget(sampled);
      if (this.#bytes + frame.body.length > this.#maxBytes) return false;
      sampled.keyframe = frame;
      this.#count += 1;
    } else {
      // It cannot be read without its keyframe.
      if (frame.type !== FRAME.delta || sampled.keyframe === undefined) return true;
      this.#bytes -= sampled.delta?.body.length ?? 0;
      sampled.delta = undefined;
      if (this.#bytes + frame.body.length > this.#maxBytes) return false;
      sampled.delta = frame;
    }
    this.#bytes += frame.body.length;
    return true;
  }

  forget(sampled: SampledSession): void {
    if (sampled.keyframe === undefined) return;
    this.#bytes -= sampled.keyframe.body.length + (sampled.delta?.body.length ?? 0);
    this.#count -= 1;
    sampled.keyframe = undefined;
    sampled.delta = undefined;
  }
}
