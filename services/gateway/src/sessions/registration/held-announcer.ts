import type { GatewayHeartbeat, HeldSessions } from '@muster/messages';
import type { GatewayId, SessionMode } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import type { Hub } from '../hub/hub.js';

export interface HeldAnnouncerOptions {
  readonly hub: Pick<Hub, 'sessions' | 'hasChanged' | 'takeChanges'>;
}

/**
 * Says in heartbeats whom this gateway holds, so that query services still know it when the gateway falls silent and the registry is away:
 * all of them in the first heartbeat under an id and whenever somebody may have missed one, else what has changed.
 */
export class HeldAnnouncer {
  readonly #hub: HeldAnnouncerOptions['hub'];
  #id: GatewayId | undefined;
  #beat = 0;
  #owesAll = true;

  constructor({ hub }: HeldAnnouncerOptions) {
    this.#hub = hub;
  }

  /** There is something to say before the next regular heartbeat. */
  get isDue(): boolean {
    return this.#owesAll || this.#hub.hasChanged;
  }

  /** Somebody may have missed a heartbeat. */
  requestAll(): void {
    this.#owesAll = true;
  }

  /** What the next heartbeat under this id says. */
  next(id: GatewayId): Pick<GatewayHeartbeat, 'beat' | 'held'> {
    if (id !== this.#id) {
      this.#id = id;
      this.#beat = 0;
      this.#owesAll = true;
    }
    const held = this.#owesAll ? this.#all() : this.#changes();
    this.#owesAll = false;
    const beat = this.#beat;
    this.#beat += 1;
    return held === undefined ? { beat } : { beat, held };
  }

  #all(): HeldSessions {
    const hub = this.#hub;
    hub.takeChanges();
    return heldSessions(
      true,
      Array.from(hub.sessions(), ({ num, mode }) => [num, mode] as const),
    );
  }

  #changes(): HeldSessions | undefined {
    const hub = this.#hub;
    return hub.hasChanged ? heldSessions(false, hub.takeChanges()) : undefined;
  }
}

function heldSessions(whole: boolean, changes: Iterable<readonly [number, SessionMode | 'ended']>): HeldSessions {
  const nums: Record<SessionMode | 'ended', number[]> = { live: [], poll: [], ended: [] };
  for (const [num, change] of changes) nums[change].push(num);
  const [live, poll, ended] = [encodeNumberSet(nums.live), encodeNumberSet(nums.poll), encodeNumberSet(nums.ended)];
  return { whole, live, poll, ended };
}
