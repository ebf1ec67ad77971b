import {
  decodeDelta,
  decodeHistory,
  deltaHead,
  historyKind,
  MalformedBytes,
  type HistoryKind,
  type KeyframeReader,
  type Sample,
} from '@muster/host-metrics';
import type { WatchEnded, WatchFrames, WatchHistory } from '@muster/messages';
import { decodeBody, FRAME, type ProcessesBody } from '@muster/protocol';
import { EndpointPast } from './endpoint-past.js';

export type MinuteKind = Exclude<HistoryKind, 'seconds'>;

export interface Minute {
  readonly statistic: MinuteKind;
  readonly sample: Sample;
}

/** What a viewer is told of a watched endpoint. */
export interface WatchListener {
  sample(sample: Sample): void;
  processes(processes: ProcessesBody): void;
  state(state: 'watched' | 'away'): void;
}

const MINUTES = 24 * 60;
/** A day of minutes has some hundred KiB. */
const UNREAD_BYTES = 4 * 1024 * 1024;

/**
 * What this process knows of an endpoint that its viewers watch: the last ten minutes, the minutes of the last day, and
 * the keyframe that deltas refer to. Late, doubled and unreadable frames are counted and dropped.
 */
export class WatchedEndpoint {
  readonly #listeners = new Set<WatchListener>();
  readonly #dropped: (reason: string) => void;
  readonly #wantKeyframe: () => void;
  readonly #wantHistory: () => void;
  readonly #keyframes: KeyframeReader;
  readonly #past: EndpointPast;
  #minutes: Minute[] = [];
  /** Pieces with minutes that nobody has looked at yet: to read a day of them takes a tenth of a second. */
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #epoch = 0;
  #base: Sample | undefined;
  /** The last sample of the session. */
  #seq = 0;
  #state: 'watched' | 'away' | undefined;
  /** What has come of the history. */
  #has: 'nothing' | 'some_seconds' | 'seconds' | 'all' = 'nothing';
  #asksMinutes = false;
  #waiting: { readonly forMinutes: boolean; readonly resolve: () => void }[] = [];

  /**
   * `dropped` counts what cannot be used; `wantKeyframe` and `wantHistory` ask the gateway to begin again; `keyframes`
   * is shared by all endpoints.
   */
  constructor(options: {
    readonly dropped: (reason: string) => void;
    readonly wantKeyframe: () => void;
    readonly wantHistory: () => void;
    readonly keyframes: KeyframeReader;
  }) {
    this.#dropped = options.dropped;
    this.#keyframes = options.keyframes;
    this.#past = new EndpointPast(options.keyframes, () => this.#dropped('bad_history'));
    this.#wantKeyframe = options.wantKeyframe;
    this.#wantHistory = options.wantHistory;
  }

  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  get state(): 'watched' | 'away' | undefined {
    return this.#state;
  }

  add(listener: WatchListener): void {
    this.#listeners.add(listener);
  }

  remove(listener: WatchListener): void {
    this.#listeners.delete(listener);
  }

  /** Whether the minutes of the last day have come, or were asked for. */
  get hasMinutes(): boolean {
    return this.#has === 'all' || this.#asksMinutes;
  }

  /** The minutes are asked for now. */
  askMinutes(): void {
    this.#asksMinutes = true;
  }

  /** Resolves when the endpoint has sent its history, or its seconds alone, which come first; at once when it has before. */
  history({ forMinutes }: { readonly forMinutes: boolean }): Promise<void> {
    if (this.#has === 'all' || (this.#has === 'seconds' && !forMinutes)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ forMinutes, resolve }));
  }

  /** By the endpoint's clock, oldest first. */
  get past(): Pick<EndpointPast, 'after' | 'newestMs'> {
    return this.#past;
  }

  minutesAfter(atMs: number): readonly Minute[] {
    this.#readMinutes();
    return this.#minutes.filter(({ sample }) => sample.atMs > atMs);
  }

  frames({ epoch, frames }: WatchFrames): void {
    if (epoch < this.#epoch) return this.#dropped('old_session');
    if (epoch > this.#epoch) {
      this.#epoch = epoch;
      this.#base = undefined;
      this.#seq = 0;
    }
    this.#turn('watched');
    for (const [type, , body] of frames) this.#frame(type, body);
  }

  ended({ epoch }: WatchEnded): void {
    if (epoch >= this.#epoch) this.#turn('away');
  }

  /** Nobody holds the endpoint. */
  away(): void {
    if (this.#state === undefined) this.#turn('away');
  }

  historyPieces({ body, more = [], final, secondsOnly }: WatchHistory): void {
    for (const piece of [body, ...more]) this.#piece(piece);
    if (final && this.#has !== 'all') this.#has = secondsOnly === true ? 'seconds' : 'all';
    if (this.#has === 'nothing' || this.#has === 'some_seconds') return;
    const isReady = ({ forMinutes }: { readonly forMinutes: boolean }): boolean => this.#has === 'all' || !forMinutes;
    for (const { resolve } of this.#waiting.filter(isReady)) resolve();
    this.#waiting = this.#waiting.filter((one) => !isReady(one));
  }

  #piece(body: Uint8Array): void {
    try {
      const kind = historyKind(body);
      if (kind === 'seconds') this.#past.addPiece(body);
      else this.#addUnread(body);
      if (this.#has === 'nothing' && kind === 'seconds') this.#has = 'some_seconds';
      else if (this.#has === 'some_seconds' && kind !== 'seconds') this.#has = 'seconds';
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.#dropped('bad_history');
    }
  }

  #addUnread(piece: Uint8Array): void {
    this.#unread.push(piece);
    this.#unreadBytes += piece.length;
    if (this.#unreadBytes > UNREAD_BYTES) this.#readMinutes();
  }

  #readMinutes(): void {
    if (this.#unread.length === 0) return;
    const known = new Map(this.#minutes.map((minute) => [keyOf(minute), minute]));
    for (const piece of this.#unread) {
      try {
        const { kind, samples } = decodeHistory(piece);
        if (kind === 'seconds') continue;
        for (const sample of samples) known.set(keyOf({ statistic: kind, sample }), { statistic: kind, sample });
      } catch (error) {
        if (!(error instanceof MalformedBytes)) throw error;
        this.#dropped('bad_history');
      }
    }
    this.#unread = [];
    this.#unreadBytes = 0;
    this.#minutes = [...known.values()].sort((a, b) => a.sample.atMs - b.sample.atMs).slice(-3 * MINUTES);
  }

  #frame(type: number, body: Uint8Array): void {
    try {
      if (type === FRAME.keyframe) return this.#sample((this.#base = this.#keyframes.read(body)));
      if (type === FRAME.delta) return this.#delta(body);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      return this.#dropped('bad_sample');
    }
    if (type !== FRAME.processes) return this.#dropped('unknown_frame');
    const decoded = decodeBody('processes', body);
    if (!decoded.ok) return this.#dropped('bad_processes');
    for (const listener of this.#listeners) listener.processes(decoded.body);
  }

  #delta(body: Uint8Array): void {
    if (this.#base === undefined || deltaHead(body).baseSeq !== this.#base.seq) {
      this.#dropped('no_keyframe');
      return this.#wantKeyframe();
    }
    this.#sample(decodeDelta(body, this.#base));
  }

  #sample(sample: Sample): void {
    // Gateways send the last keyframe and the last delta again whenever a process begins to watch.
    if (sample.seq <= this.#seq) return;
    this.#seq = sample.seq;
    if (!this.#past.add(sample)) this.#begin();
    for (const listener of this.#listeners) listener.sample(sample);
  }

  /** The endpoint's clock was set back: it says its past anew, by the clock that it has now. */
  #begin(): void {
    this.#minutes = [];
    this.#unread = [];
    this.#unreadBytes = 0;
    this.#wantHistory();
  }

  #turn(state: 'watched' | 'away'): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener.state(state);
  }
}

function keyOf({ statistic, sample }: Minute): string {
  return `${statistic} ${sample.atMs}`;
}
