import { matchesSubject, MemoryStore } from '@muster/bus/memory';
import type { Channel } from '../world/channel.js';
import type { SimulatedProcess, World } from '../world/world.js';

/** What a client is told of a message: its subject, its bytes, and where an answer goes. */
export interface RoutedMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly replyTo: string | undefined;
}

export interface ServerSubscription {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly deliver: (message: RoutedMessage) => void;
}

/** What the server knows of one connection. It forgets it when the connection ends. */
export interface ServerConnection {
  readonly channel: Channel;
  readonly subscriptions: Set<ServerSubscription>;
  /** Takes the answer to a request of this connection; `undefined`: nobody listens to its subject. */
  readonly answered: (inbox: string, data: Uint8Array | undefined) => void;
}

/**
 * One nats-server: core messages to whoever is subscribed now, and streams that outlive it. Its methods are called by events of its own
 * process, so that a kill or a freeze falls between two of them.
 */
export class NatsServer {
  readonly process: SimulatedProcess;
  /** It has reached its `max_file_store`. */
  isFull = false;
  /** JetStream has no leader. */
  #hasNoStreams = false;
  /** Its disk. */
  readonly store = new MemoryStore();
  readonly connections = new Set<ServerConnection>();
  readonly #world: World;
  readonly #interests = new Map<string, Interest>();

  constructor(world: World) {
    this.#world = world;
    this.process = world.process('nats');
  }

  add(connection: ServerConnection): void {
    this.connections.add(connection);
    this.#interests.clear();
  }

  drop(connection: ServerConnection): void {
    this.connections.delete(connection);
    this.#interests.clear();
  }

  subscribe({ subscriptions }: ServerConnection, subscription: ServerSubscription): void {
    subscriptions.add(subscription);
    this.#interests.clear();
  }

  unsubscribe({ subscriptions }: ServerConnection, subscription: ServerSubscription): void {
    subscriptions.delete(subscription);
    this.#interests.clear();
  }

  get hasNoStreams(): boolean {
    return this.#hasNoStreams;
  }

  /** Streams go away, or are back: then those who follow them get what came meanwhile. */
  loseStreams(areLost: boolean): void {
    this.#hasNoStreams = areLost;
    if (!areLost) for (const tell of [...this.store.changed]) tell();
  }

  kill(): void {
    this.connections.clear();
    this.#interests.clear();
    this.process.kill();
  }

  /** To every subscriber, and to one of each queue group. An answer to nobody says so to who asked. */
  route(from: ServerConnection, message: RoutedMessage): void {
    const receivers = this.#receivers(message.subject);
    for (const { deliver } of receivers) deliver(message);
    if (receivers.length === 0 && message.replyTo !== undefined) from.answered(message.replyTo, undefined);
  }

  /** Hands an answer to the connection that waits for it. */
  answer(inbox: string, data: Uint8Array): void {
    for (const connection of this.connections) connection.answered(inbox, data);
  }

  #receivers(subject: string): ServerSubscription[] {
    const { plain, groups } = this.#interest(subject);
    const receivers = [...plain];
    for (const members of groups) receivers.push(this.#world.random.pick(members));
    return receivers;
  }

  /** Who listens to a subject: looked up once for as long as nobody subscribes or leaves. */
  #interest(subject: string): Interest {
    const known = this.#interests.get(subject);
    if (known !== undefined) return known;
    const plain: ServerSubscription[] = [];
    const groups = new Map<string, ServerSubscription[]>();
    for (const { subscriptions } of this.connections) {
      for (const subscription of subscriptions) {
        if (!matchesSubject(subscription.subject, subject)) continue;
        const { queue } = subscription;
        if (queue === undefined) plain.push(subscription);
        else groups.set(queue, [...(groups.get(queue) ?? []), subscription]);
      }
    }
    const interest = { plain, groups: [...groups.values()] };
    this.#interests.set(subject, interest);
    return interest;
  }
}

interface Interest {
  readonly plain: readonly ServerSubscription[];
  readonly groups: readonly (readonly ServerSubscription[])[];
}
