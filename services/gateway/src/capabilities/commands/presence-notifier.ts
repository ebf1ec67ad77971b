import { encodeBusMessage, SUBJECTS, type CommandServiceHeartbeat } from '@muster/messages';
import { CAPABILITY, type CommandServiceId } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import { BatchScheduler } from '../../foundation/batch-scheduler.js';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { SessionView } from '../../foundation/session-view.js';
import type { CommandMetrics } from './command-metrics.js';

export interface PresenceNotifierOptions extends Pick<CapabilityContext, 'bus' | 'hub' | 'clock' | 'identity'> {
  readonly metrics: CommandMetrics;
}

const EVERY_MS = 5;
/** Heartbeats come every second. A service that was silent for longer may have missed notices, and is sent everything again. */
const SILENCE_MS = 2_500;
/** How often sessions are told of that the registry does not know: a look-up for a command does not find them. */
const UNREGISTERED_MS = 5_000;

/**
 * Tells command services which sessions take commands: each as it becomes ready, and all of them whenever a service may not know. Bus
 * messages can be lost, so everything is sent again at the first heartbeat of a service that was not heard before. Sessions that are not
 * registered, since the registry is away or has no memory, are told of again and again.
 */
export class PresenceNotifier {
  readonly #options: PresenceNotifierOptions;
  readonly #scheduler: BatchScheduler;
  #nums: number[] = [];
  #owesAll = false;
  #unregisteredAtMs = 0;
  /** When each service was last heard, monotonic. */
  readonly #heardAtMs = new Map<CommandServiceId, number>();

  constructor(options: PresenceNotifierOptions) {
    this.#options = options;
    this.#scheduler = new BatchScheduler({ clock: options.clock, everyMs: EVERY_MS, run: () => this.#notify() });
  }

  add(session: SessionView): void {
    if (!takesCommands(session)) return;
    this.#nums.push(session.num);
    this.#scheduler.due();
  }

  /** Sends all sessions, soon: no service can be sure to know them. */
  all(): void {
    this.#owesAll = true;
    this.#scheduler.due();
  }

  /** The connection to the broker is back: services may have missed notices too, and may be back later than this gateway. */
  reconnected(): void {
    this.#heardAtMs.clear();
    this.all();
  }

  heartbeat({ instance, stopping }: CommandServiceHeartbeat): void {
    if (stopping) {
      this.#heardAtMs.delete(instance);
      return;
    }
    const nowMs = this.#options.clock.monotonic();
    const heardAtMs = this.#heardAtMs.get(instance);
    this.#heardAtMs.set(instance, nowMs);
    if (heardAtMs === undefined || nowMs - heardAtMs > SILENCE_MS) this.all();
    // What could not be sent before is sent now that a service listens.
    else if (this.#owesAll) this.#scheduler.due();
    else if (nowMs - this.#unregisteredAtMs >= UNREGISTERED_MS) {
      this.#unregisteredAtMs = nowMs;
      for (const session of this.#options.hub.sessions()) if (!session.confirmed) this.add(session);
    }
    for (const [other, atMs] of this.#heardAtMs) if (nowMs - atMs > 10 * SILENCE_MS) this.#heardAtMs.delete(other);
  }

  /** Forgets what is due: the sessions are gone. */
  clear(): void {
    this.#nums = [];
    this.#owesAll = false;
    this.#scheduler.cancel();
  }

  #notify(): void {
    const { bus, hub, metrics, identity } = this.#options;
    const isAll = this.#owesAll;
    const nums = isAll
      ? Array.from(hub.sessions())
          .filter(takesCommands)
          .map(({ num }) => num)
      : this.#nums;
    this.#nums = [];
    this.#owesAll = false;
    if (nums.length === 0) return;
    const message = { t: 'agents_arrived', gateway: identity.id, nums: encodeNumberSet(nums) } as const;
    const result = bus.publish(SUBJECTS.commandPresence, encodeBusMessage(message));
    metrics.announcements.inc({ of: isAll ? 'all' : 'arrivals', result });
    if (result === 'dropped') this.#owesAll = true;
  }
}

/** Whether the agent of a session said that it takes commands. */
export function takesCommands({ profile }: Pick<SessionView, 'profile'>): boolean {
  return profile?.capabilities.has(CAPABILITY.command) === true;
}
