import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type WatchEnded,
  type WatchFrames,
  type WatchHistory,
} from '@muster/messages';
import type { AgentId } from '@muster/protocol';

type WatchMessage = WatchFrames | WatchHistory | WatchEnded;

/** API processes with viewers: they say what they watch, and keep what comes. */
export class TestViewers {
  readonly messages: WatchMessage[] = [];
  readonly #bus: Bus;
  readonly #subscriptions = new Map<AgentId, BusSubscription>();
  #wake: () => void = () => undefined;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Processes that take several pieces of history in one message. */
  readonly joining = new Set<string>();

  /** What the API process `api` watches from now on. */
  watch(
    api: string,
    agents: readonly AgentId[],
    begin: readonly AgentId[] = [],
    secondsOnly: readonly AgentId[] = [],
  ): void {
    for (const agentId of agents) {
      if (this.#subscriptions.has(agentId)) continue;
      const subscription = this.#bus.subscribe(SUBJECTS.watch(agentId), ({ data }) => this.#heard(data));
      this.#subscriptions.set(agentId, subscription);
    }
    const joined = this.joining.has(api) ? ({ joined: true } as const) : {};
    const renewal = { t: 'watch', api, agents, begin, secondsOnly, ...joined } as const;
    this.#bus.publish(SUBJECTS.allGatewayMetrics, encodeBusMessage(renewal));
  }

  of<T extends WatchMessage['t']>(kind: T): Extract<WatchMessage, { readonly t: T }>[] {
    return this.messages.filter((message) => message.t === kind) as Extract<WatchMessage, { readonly t: T }>[];
  }

  /** The bodies of all frames of an endpoint as text, in order. */
  textsOf(agentId: AgentId): string[] {
    return this.of('watch_frames')
      .filter((message) => message.agentId === agentId)
      .flatMap(({ frames }) => frames.map(([, , body]) => Buffer.from(body).toString()));
  }

  /** Resolves when the condition holds. It is checked at every message. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  stop(): void {
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe();
  }

  #heard(data: Uint8Array): void {
    const message = decodeBusMessage<WatchMessage>(data, 'watch_frames', 'watch_history', 'watch_ended');
    if (message === undefined) throw new Error('a message to viewers is not understood');
    this.messages.push(message);
    this.#wake();
  }
}
