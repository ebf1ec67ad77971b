import { PURPOSES, type Purpose } from '@muster/api-contract';

/** Bytes from endpoints (up) and to endpoints (down). */
export interface UpAndDown {
  bytesUp: number;
  bytesDown: number;
}

const SECONDS_PER_HOUR = 3_600;

/** The bytes of one channel, for one endpoint or for many. */
export class ChannelSum {
  seconds = 0;
  readonly #purposes = new Map<Purpose, UpAndDown>();

  add(purpose: Purpose, { bytesUp, bytesDown }: Readonly<UpAndDown>): void {
    const known = this.#purposes.get(purpose);
    if (known === undefined) {
      this.#purposes.set(purpose, { bytesUp, bytesDown });
      return;
    }
    known.bytesUp += bytesUp;
    known.bytesDown += bytesDown;
  }

  addAll(other: ChannelSum): void {
    this.seconds += other.seconds;
    for (const [purpose, bytes] of other.#purposes) this.add(purpose, bytes);
  }

  get total(): UpAndDown {
    const total = { bytesUp: 0, bytesDown: 0 };
    for (const { bytesUp, bytesDown } of this.#purposes.values()) {
      total.bytesUp += bytesUp;
      total.bytesDown += bytesDown;
    }
    return total;
  }

  /** Up and down together, per endpoint and hour of session; null without a session. */
  get bytesPerHour(): number | null {
    const { bytesUp, bytesDown } = this.total;
    return this.seconds > 0 ? Math.round(((bytesUp + bytesDown) / this.seconds) * SECONDS_PER_HOUR) : null;
  }

  /** The JSON form. Has only the purposes that occurred, in their fixed order. */
  json() {
    const { total, bytesPerHour } = this;
    const purposes = PURPOSES.flatMap((purpose) => {
      const bytes = this.#purposes.get(purpose);
      return bytes === undefined ? [] : [[purpose, { ...bytes }] as const];
    });
    return { seconds: Math.round(this.seconds), ...total, bytesPerHour, purposes: Object.fromEntries(purposes) };
  }
}

/** Bytes per hour of Poll divided by those of Live; null when either is zero or unknown. */
export function pollToLive(live: ChannelSum, poll: ChannelSum): number | null {
  const [ofLive, ofPoll] = [live.bytesPerHour, poll.bytesPerHour];
  if (ofLive === null || ofPoll === null || ofLive === 0) return null;
  return Math.round((ofPoll / ofLive) * 100) / 100;
}
