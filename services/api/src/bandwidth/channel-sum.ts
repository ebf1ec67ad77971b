import { PURPOSES, type Purpose } from '@muster/api-contract';

/** Bytes as the endpoint has them: up is from it, down is to it. */
export interface UpAndDown {
  bytesUp: number;
  bytesDown: number;
}

const SECONDS_PER_HOUR = 3_600;

/** Adds up what one channel has carried, for one endpoint or for many. */
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

  /** Both ways, for one endpoint and one hour of a session; null while there was none. */
  get bytesPerHour(): number | null {
    const { bytesUp, bytesDown } = this.total;
    return this.seconds > 0 ? Math.round(((bytesUp + bytesDown) / this.seconds) * SECONDS_PER_HOUR) : null;
  }

  /** As people see it; purposes in their order, those alone that occurred. */
  json() {
    const { total, bytesPerHour } = this;
    const purposes = PURPOSES.flatMap((purpose) => {
      const bytes = this.#purposes.get(purpose);
      return bytes === undefined ? [] : [[purpose, { ...bytes }] as const];
    });
    return { seconds: Math.round(this.seconds), ...total, bytesPerHour, purposes: Object.fromEntries(purposes) };
  }
}

/** How often Live's cost goes into Poll's; null when either has cost nothing yet. */
export function pollToLive(live: ChannelSum, poll: ChannelSum): number | null {
  const [ofLive, ofPoll] = [live.bytesPerHour, poll.bytesPerHour];
  if (ofLive === null || ofPoll === null || ofLive === 0) return null;
  return Math.round((ofPoll / ofLive) * 100) / 100;
}
