import { encodeDelta, encodeKeyframe, type Sample } from '@muster/host-metrics';
import { FRAME, type FrameType } from '@muster/protocol';
import type { SendResult } from '../../contract/session.js';
import type { Reading } from '../../metrics/contract/host-reader.js';

/** Section 17: after so many samples the next is a KEYFRAME. */
const KEYFRAME_EVERY = 60;
/** Far beyond every date, and its differences can still be encoded. */
const LATEST_MS = 2 ** 50;

export type SendSample = (type: FrameType, body: Uint8Array, ageMs: number) => SendResult;

/**
 * The samples of one session: numbers them, and decides which is a keyframe. What is not taken by the session is as if
 * it had never been.
 */
export class SampleStream {
  readonly #send: SendSample;
  #seq = 0;
  #base: Sample | undefined;
  #baseBytes = 0;
  #isAsked = false;

  constructor(send: SendSample) {
    this.#send = send;
  }

  /** The next sample is a keyframe. */
  askKeyframe(): void {
    this.#isAsked = true;
  }

  /** `atMs` is the time of the reading by the clock of the endpoint, `ageMs` how long ago that was. */
  send({ shape, values }: Reading, atMs: number, ageMs = 0): SendResult {
    const sample = { seq: this.#seq + 1, atMs: Math.min(LATEST_MS, Math.max(0, Math.round(atMs))), shape, values };
    const delta = this.#deltaOf(sample);
    const result = delta === undefined ? this.#sendKeyframe(sample, ageMs) : this.#send(FRAME.delta, delta, ageMs);
    if (result === 'sent') this.#seq = sample.seq;
    return result;
  }

  /** `undefined` where a keyframe must be sent. */
  #deltaOf(sample: Sample): Uint8Array | undefined {
    const base = this.#base;
    const needsKeyframe =
      base === undefined || this.#isAsked || base.shape !== sample.shape || sample.seq - base.seq >= KEYFRAME_EVERY;
    if (needsKeyframe) return undefined;
    const delta = encodeDelta(sample, base);
    return 2 * delta.length > this.#baseBytes ? undefined : delta;
  }

  #sendKeyframe(sample: Sample, ageMs: number): SendResult {
    const keyframe = encodeKeyframe(sample);
    const result = this.#send(FRAME.keyframe, keyframe, ageMs);
    if (result !== 'sent') return result;
    this.#base = sample;
    this.#baseBytes = keyframe.length;
    this.#isAsked = false;
    return result;
  }
}
