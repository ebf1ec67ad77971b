import type { BusMessage } from './bus.js';
import { matchesSubject } from './subject-match.js';

export interface MemorySubscriber {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly deliver: (message: BusMessage) => void;
  /** False while the subscriber's connection is broken. */
  isUp: boolean;
}

/** Connects memory buses: delivers each message in a later microtask, in order. */
export class MemoryExchange {
  private readonly subscribers = new Set<MemorySubscriber>();
  private turn = 0;

  join(subject: string, queue: string | undefined, deliver: (message: BusMessage) => void): MemorySubscriber {
    const subscriber = { subject, queue, deliver, isUp: true };
    this.subscribers.add(subscriber);
    return subscriber;
  }

  leave(subscriber: MemorySubscriber): void {
    this.subscribers.delete(subscriber);
  }

  /** Returns how many subscribers the message goes to. */
  send(subject: string, data: Uint8Array, onReply: ((data: Uint8Array) => void) | undefined): number {
    const receivers = this.receiversOf(subject);
    for (const receiver of receivers) {
      queueMicrotask(() => {
        if (!receiver.isUp || !this.subscribers.has(receiver)) return;
        const reply =
          onReply === undefined
            ? {}
            : {
                reply: (answer: Uint8Array) => {
                  queueMicrotask(() => onReply(answer));
                  return 'sent' as const;
                },
              };
        receiver.deliver({ subject, data, ...reply });
      });
    }
    return receivers.length;
  }

  /** Resolves when everything sent so far has been delivered. */
  settled(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  private receiversOf(subject: string): MemorySubscriber[] {
    const receivers: MemorySubscriber[] = [];
    const groups = new Map<string, MemorySubscriber[]>();
    for (const subscriber of this.subscribers) {
      if (!subscriber.isUp || !matchesSubject(subscriber.subject, subject)) continue;
      if (subscriber.queue === undefined) receivers.push(subscriber);
      else groups.set(subscriber.queue, [...(groups.get(subscriber.queue) ?? []), subscriber]);
    }
    for (const members of groups.values()) {
      this.turn += 1;
      const member = members[this.turn % members.length];
      if (member !== undefined) receivers.push(member);
    }
    return receivers;
  }
}
