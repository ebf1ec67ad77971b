import type { ChannelCounters } from '@muster/messages';
import { purposeOfFrame, TRAFFIC_PURPOSES, type ByteCounts } from '@muster/protocol';
import type { Clock } from '@muster/runtime';

/** The index of a frame's purpose, by the first byte of the frame. A table, because it is read for each frame of a fan-out to thousands. */
const PLACE_OF_TYPE = Uint8Array.from({ length: 256 }, (_, type) => TRAFFIC_PURPOSES.indexOf(purposeOfFrame(type)));
const HEARTBEAT = TRAFFIC_PURPOSES.indexOf('heartbeat');

/** The bytes of WebSocket before a message or control frame of this size (RFC 6455 §5.2), as one fragment. */
export function webSocketHead(bytes: number, direction: 'in' | 'out'): number {
  const head = bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10;
  return direction === 'in' ? head + 4 : head;
}

/** Counts what one channel carries: frames by purpose, and for how long there were sessions. */
export class ChannelTraffic {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #in = new Float64Array(TRAFFIC_PURPOSES.length);
  readonly #out = new Float64Array(TRAFFIC_PURPOSES.length);
  #sessions = 0;
  #sessionMs = 0;
  #sinceMs = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** A frame went out. `headBytes`: what the channel put before it. */
  sent(frame: Uint8Array, headBytes: number): void {
    const place = PLACE_OF_TYPE[frame[0] ?? 0] ?? 0;
    this.#out[place] = (this.#out[place] ?? 0) + frame.length + headBytes;
  }

  received(frame: Uint8Array, headBytes: number): void {
    const place = PLACE_OF_TYPE[frame[0] ?? 0] ?? 0;
    this.#in[place] = (this.#in[place] ?? 0) + frame.length + headBytes;
  }

  /** A ping or pong with so many bytes of data. */
  heartbeat(direction: 'in' | 'out', dataBytes: number): void {
    const counts = direction === 'in' ? this.#in : this.#out;
    counts[HEARTBEAT] = (counts[HEARTBEAT] ?? 0) + dataBytes + webSocketHead(dataBytes, direction);
  }

  sessionBegan(): void {
    this.#advance();
    this.#sessions += 1;
  }

  sessionEnded(): void {
    this.#advance();
    this.#sessions -= 1;
  }

  report(): ChannelCounters {
    this.#advance();
    const bytesOf = (place: number): ByteCounts => ({
      bytesIn: this.#in[place] ?? 0,
      bytesOut: this.#out[place] ?? 0,
    });
    return {
      sessions: this.#sessions,
      seconds: this.#sessionMs / 1_000,
      purposes: {
        session: bytesOf(0),
        heartbeat: bytesOf(1),
        query: bytesOf(2),
        command: bytesOf(3),
        metrics: bytesOf(4),
      },
    };
  }

  /** Adds the time since the number of sessions last changed, once for each of them. No session needs a mark of its own for that. */
  #advance(): void {
    const nowMs = this.#clock.monotonic();
    this.#sessionMs += this.#sessions * (nowMs - this.#sinceMs);
    this.#sinceMs = nowMs;
  }
}

/** Counts all bytes of frames and enrolments, by channel. */
export class FrameTraffic {
  readonly live: ChannelTraffic;
  readonly poll: ChannelTraffic;
  #enrolIn = 0;
  #enrolOut = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.live = new ChannelTraffic(clock);
    this.poll = new ChannelTraffic(clock);
  }

  /** The bodies of an enrolment and of its answer. */
  enrolled(bytesIn: number, bytesOut: number): void {
    this.#enrolIn += bytesIn;
    this.#enrolOut += bytesOut;
  }

  get enrol(): ByteCounts {
    return { bytesIn: this.#enrolIn, bytesOut: this.#enrolOut };
  }
}
