import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS, type CommandServiceHeartbeat } from '@muster/messages';
import type { CommandServiceId, GatewayId } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { Hub } from '../../sessions/hub/hub.js';
import type { Session } from '../../sessions/hub/session.js';
import type { CommandMetrics } from './command-metrics.js';
import { BatchScheduler } from '../../foundation/batch-scheduler.js';

export interface PresenceNotifierOptions {
  readonly bus: Bus;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly metrics: CommandMetrics;
  readonly gatewayId: () => GatewayId;
}

const EVERY_MS = 5;
/** Beats come every second. Who was silent for longer may have missed what was said meanwhile, and is told everything again. */
const SILENCE_MS = 2_500;

/**
 * Tells command services which sessions can take commands: each as it becomes ready, and all of them whenever somebody may not know. What is
 * said on the bus can be lost, so everything is said again on the first beat of a service that was not heard before.
 */
export class PresenceNotifier {
  readonly #options: PresenceNotifierOptions;
  readonly #paced: BatchScheduler;
  #nums: number[] = [];
  #owesAll = false;
  /** When each service was last heard, monotonic. */
  readonly #heardAtMs = new Map<CommandServiceId, number>();

  constructor(options: PresenceNotifierOptions) {
    this.#options = options;
    this.#paced = new BatchScheduler({ clock: options.clock, everyMs: EVERY_MS, run: () => this.#announce() });
  }

  add(session: Session): void {
    if (session.profile?.canCommand !== true) return;
    this.#nums.push(session.num);
    this.#paced.due();
  }

  /** All sessions, soon: nobody can be sure to have heard of them. */
  all(): void {
    this.#owesAll = true;
    this.#paced.due();
  }

  /** The connection to the broker is back: services may have missed things too, and may be back later than this gateway. */
  reconnected(): void {
    this.#heardAtMs.clear();
    this.all();
  }

  beat({ instance, stopping }: CommandServiceHeartbeat): void {
    if (stopping) {
      this.#heardAtMs.delete(instance);
      return;
    }
    const nowMs = this.#options.clock.monotonic();
    const heardAtMs = this.#heardAtMs.get(instance);
    this.#heardAtMs.set(instance, nowMs);
    if (heardAtMs === undefined || nowMs - heardAtMs > SILENCE_MS) this.all();
    // What could not be said before is said now that somebody listens.
    else if (this.#owesAll) this.#paced.due();
    for (const [other, atMs] of this.#heardAtMs) if (nowMs - atMs > 10 * SILENCE_MS) this.#heardAtMs.delete(other);
  }

  /** Forgets what is due: the sessions are gone. */
  clear(): void {
    this.#nums = [];
    this.#owesAll = false;
    this.#paced.cancel();
  }

  #announce(): void {
    const { bus, metrics, gatewayId } = this.#options;
    const isAll = this.#owesAll;
    const nums = isAll ? this.#everybody() : this.#nums;
    this.#nums = [];
    this.#owesAll = false;
    if (nums.length === 0) return;
    const message = { t: 'agents_arrived', gateway: gatewayId(), nums: encodeNumberSet(nums) } as const;
    const result = bus.publish(SUBJECTS.commandPresence, encodeBusMessage(message));
    metrics.announcements.inc({ of: isAll ? 'all' : 'arrivals', result });
    if (result === 'dropped') this.#owesAll = true;
  }

  #everybody(): number[] {
    const nums: number[] = [];
    for (const { profile, num } of this.#options.hub.sessions()) if (profile?.canCommand === true) nums.push(num);
    return nums;
  }
}
