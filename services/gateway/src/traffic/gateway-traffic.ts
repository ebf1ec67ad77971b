import type { TrafficCounters } from '@muster/messages';
import type { ByteCounts } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import { FrameTraffic } from './frame-traffic.js';
import { KernelSockets, UNSEEN_SOCKETS } from './kernel-sockets.js';
import { findSsPrograms } from './ss-programs.js';

const FRESH_MS = 5_000;

/** What this gateway has carried since it started: frames by purpose, and the bytes of its sockets. */
export class GatewayTraffic {
  readonly frames: FrameTraffic;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #freshMs: number;
  readonly #startedAtMs: number;
  /** Of a transport that counts its sockets itself. */
  #transport: { socketBytes?(): ByteCounts } = {};
  #kernel: KernelSockets | undefined;

  /** `freshMs`: how old the figures of sockets in a report may be. */
  constructor(options: { readonly clock: Clock; readonly logger: Logger; readonly freshMs?: number }) {
    this.#freshMs = options.freshMs ?? FRESH_MS;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.frames = new FrameTraffic(options.clock);
    this.#startedAtMs = options.clock.now();
  }

  /** Follows the sockets of a transport that listens on this port: by its own counters if it has them, else by the kernel's. */
  async watch(transport: { socketBytes?(): ByteCounts }, port: number): Promise<void> {
    if (transport.socketBytes !== undefined) {
      this.#transport = transport;
      return;
    }
    const programs = findSsPrograms();
    if (programs === undefined) {
      this.#logger.info('without ss and stdbuf the bytes of sockets are not counted, only those of frames');
      return;
    }
    const [freshMs, clock, logger] = [this.#freshMs, this.#clock, this.#logger];
    this.#kernel = new KernelSockets({ programs, port, freshMs, clock, logger });
    await this.#kernel.start();
  }

  async stop(): Promise<void> {
    await this.#kernel?.stop();
  }

  /** The sockets as of the last look. */
  get sockets(): TrafficCounters['sockets'] {
    const own = this.#transport.socketBytes?.();
    return own === undefined ? (this.#kernel?.known ?? UNSEEN_SOCKETS) : { measured: 'sockets', ...own, missed: 0 };
  }

  async report(): Promise<TrafficCounters> {
    const sockets = (await this.#kernel?.read()) ?? this.sockets;
    const { live, poll, enrol } = this.frames;
    return {
      t: 'traffic',
      startedAtMs: this.#startedAtMs,
      nowMs: this.#clock.now(),
      live: live.report(),
      poll: poll.report(),
      enrol,
      sockets,
    };
  }
}
