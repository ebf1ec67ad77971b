import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
import type { AgentId } from '@muster/protocol';
import type { Clock, Counter, Timer } from '@muster/runtime';

export interface KeyframeRequestsOptions {
  readonly bus: Pick<Bus, 'publish'>;
  readonly clock: Clock;
  readonly metrics: { readonly keyframesWanted: Counter<'why'> };
}

const FLUSH_MS = 500;
/** One endpoint is asked for once in this time: its gateway may need a moment. */
const AGAIN_MS = 10_000;
/** Endpoints of one request, and how many are remembered. */
const AT_ONCE = 1_000;
const REMEMBERED = 20_000;

/** Asks gateways for the keyframes that were lost, many endpoints at a time. */
export class KeyframeRequests {
  readonly #options: KeyframeRequestsOptions;
  readonly #wanted = new Set<AgentId>();
  readonly #askedMs = new Map<AgentId, number>();
  #timer: Timer | undefined;

  constructor(options: KeyframeRequestsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#flush(), FLUSH_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  /** At once: all endpoints of these partitions. */
  partitions(partitions: readonly number[], ask: string): void {
    this.#options.metrics.keyframesWanted.inc({ why: 'partitions' });
    this.#options.bus.publish(
      SUBJECTS.allGatewayMetrics,
      encodeBusMessage({ t: 'keyframes_wanted', partitions: [...partitions], ask }),
    );
  }

  /** False: too many are waited for already. */
  agent(agentId: AgentId): boolean {
    if (this.#wanted.size >= REMEMBERED) return false;
    this.#wanted.add(agentId);
    return true;
  }

  #flush(): void {
    const { bus, clock, metrics } = this.#options;
    const nowMs = clock.monotonic();
    for (const [agentId, askedMs] of this.#askedMs) {
      if (nowMs - askedMs < AGAIN_MS && this.#askedMs.size <= REMEMBERED) break;
      this.#askedMs.delete(agentId);
    }
    const agents = [...this.#wanted].filter((agentId) => !this.#askedMs.has(agentId));
    this.#wanted.clear();
    if (agents.length === 0) return;
    for (const agentId of agents) this.#askedMs.set(agentId, nowMs);
    metrics.keyframesWanted.inc({ why: 'lost' });
    for (let from = 0; from < agents.length; from += AT_ONCE) {
      const some = agents.slice(from, from + AT_ONCE);
      bus.publish(SUBJECTS.allGatewayMetrics, encodeBusMessage({ t: 'keyframes_wanted', agents: some }));
    }
  }
}
