import type { PublishResult } from '@muster/bus';
import { SUBJECTS } from '@muster/messages';
import { Channel } from '../world/channel.js';
import { busText, type MessageText } from '../world/message-text.js';
import { ProcessClock } from '../world/process-clock.js';
import type { SimulatedProcess, World } from '../world/world.js';
import type { NatsServer, RoutedMessage, ServerConnection, ServerSubscription } from './nats-server.js';

export interface ClientSubscription {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly receive: (message: RoutedMessage) => void;
}

/** As the real client is set: see `connect-nats.ts`. */
const PING_MS = 5_000;
const PINGS_OUT = 2;
const RECONNECT_MS = 250;
const JITTER_MS = 750;

/** The connection of one process to the server. It reconnects for ever, and subscribes again when it has. */
export class NatsConnection {
  readonly clock: ProcessClock;
  isStopped = false;
  /** How often it was connected. */
  connects = 0;
  readonly #world: World;
  readonly #process: SimulatedProcess;
  readonly #server: NatsServer;
  readonly #subscriptions = new Set<ClientSubscription>();
  readonly #waiting = new Map<string, (data: Uint8Array | undefined) => void>();
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #losses = new Set<() => void>();
  #link: { readonly channel: Channel; readonly server: ServerConnection } | undefined;
  #atServer = new Map<ClientSubscription, ServerSubscription>();
  #inboxes = 0;
  #pingsOut = 0;

  constructor(world: World, process: SimulatedProcess, server: NatsServer) {
    this.#world = world;
    this.#process = process;
    this.#server = server;
    this.clock = new ProcessClock(world, process);
    this.#dial();
    this.clock.setInterval(() => this.#ping(), PING_MS);
  }

  get connected(): boolean {
    return this.#link !== undefined;
  }

  stop(): Promise<void> {
    this.isStopped = true;
    this.#link?.channel.close();
    this.#lose();
    return Promise.resolve();
  }

  onChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get isServerFull(): boolean {
    return this.#server.isFull;
  }

  get hasNoStreams(): boolean {
    return this.#server.hasNoStreams;
  }

  /** This process made a moment at which a fault may be placed. */
  happened(moment: string | undefined): void {
    this.#world.moments.happened(moment, this.#process);
  }

  /** A handler of this process threw: a bug in what is simulated. */
  handlerThrew(error: unknown, subject: string): void {
    this.#world.handlerThrew(error, subject);
  }

  /** Resolves at the next loss of the connection. */
  lost(): { readonly promise: Promise<'lost'>; readonly done: () => void } {
    let tell: () => void = () => undefined;
    const promise = new Promise<'lost'>((resolve) => {
      tell = () => resolve('lost');
    });
    this.#losses.add(tell);
    return { promise, done: () => void this.#losses.delete(tell) };
  }

  /**
   * Runs something at the server, and its result here. Resolves with `lost` when the connection ends before; then it may have run or not.
   * `undefined` when there is no connection.
   */
  atServer<T>(run: (answer: (value: T) => void) => void): Promise<T | 'lost'> | undefined {
    const channel = this.#link?.channel;
    if (channel === undefined) return undefined;
    const { promise: lost, done } = this.lost();
    const answered = new Promise<T>((resolve) => {
      channel.toServer(() => run((value) => channel.toClient(() => resolve(value))));
    });
    return Promise.race([answered, lost]).finally(done);
  }

  send(subject: string, data: Uint8Array, replyTo?: string): PublishResult {
    const link = this.#link;
    if (link === undefined) return 'dropped';
    const message = { subject, data: new Uint8Array(data), replyTo };
    link.channel.toServer(() => this.#server.route(link.server, message), told(subject, data));
    this.happened(momentOf(subject));
    return 'sent';
  }

  /** Sends an answer to an inbox of another connection. */
  reply(inbox: string, data: Uint8Array): PublishResult {
    const link = this.#link;
    if (link === undefined) return 'dropped';
    const copy = new Uint8Array(data);
    link.channel.toServer(() => this.#server.answer(inbox, copy), told('an inbox', data));
    return 'sent';
  }

  /** A new inbox, and its first answer. */
  expect(onAnswer: (data: Uint8Array | undefined) => void): { readonly inbox: string; readonly forget: () => void } {
    const inbox = `_INBOX.${this.#process.name}.${this.#process.incarnation}.${(this.#inboxes += 1)}`;
    this.#waiting.set(inbox, onAnswer);
    return { inbox, forget: () => void this.#waiting.delete(inbox) };
  }

  add(subscription: ClientSubscription): () => void {
    this.#subscriptions.add(subscription);
    this.#subscribe(subscription);
    return () => {
      this.#subscriptions.delete(subscription);
      const link = this.#link;
      const known = this.#atServer.get(subscription);
      if (known !== undefined) link?.channel.toServer(() => this.#server.unsubscribe(link.server, known));
    };
  }

  #subscribe(subscription: ClientSubscription): void {
    const link = this.#link;
    if (link === undefined) return;
    const { subject, queue } = subscription;
    const known: ServerSubscription = {
      ...{ subject, queue },
      deliver: (message) =>
        link.channel.toClient(
          () => {
            if (!this.#subscriptions.has(subscription)) return;
            subscription.receive(message);
            if (isUpdate(message.subject)) this.happened('update heard');
          },
          told(message.subject, message.data),
        ),
    };
    this.#atServer.set(subscription, known);
    link.channel.toServer(() => this.#server.subscribe(link.server, known));
  }

  #dial(): void {
    if (this.isStopped) return;
    const server = this.#server.process;
    if (server.state !== 'up') return this.#dialLater();
    const channel = new Channel(this.#world, {
      client: { process: this.#process, onEnd: () => this.#ended(channel) },
      server: { process: server, onEnd: () => this.#server.drop(known) },
    });
    const known: ServerConnection = {
      ...{ channel, subscriptions: new Set() },
      answered: (inbox, data) => {
        channel.toClient(
          () => {
            const take = this.#waiting.get(inbox);
            this.#waiting.delete(inbox);
            take?.(data);
          },
          this.#waiting.has(inbox) ? told('its inbox', data) : undefined,
        );
      },
    };
    channel.toServer(() => {
      if (channel.isOpen) this.#server.add(known);
      channel.toClient(() => this.#connected(channel, known));
    });
  }

  #dialLater(): void {
    const delayMs = RECONNECT_MS + this.#world.random.between(0, JITTER_MS);
    this.#world.schedule(this.#process, delayMs, () => this.#dial());
  }

  #connected(channel: Channel, server: ServerConnection): void {
    if (!channel.isOpen) return;
    this.#link = { channel, server };
    this.connects += 1;
    this.#pingsOut = 0;
    this.#atServer = new Map();
    for (const subscription of this.#subscriptions) this.#subscribe(subscription);
    for (const tell of [...this.#listeners]) tell(true);
  }

  #ended(channel: Channel): void {
    this.#dialLater();
    if (this.#link?.channel !== channel) return;
    this.#world.note('has lost nats', this.#process);
    this.#lose();
  }

  #lose(): void {
    this.#link = undefined;
    for (const tell of [...this.#losses]) tell();
    for (const tell of [...this.#listeners]) tell(false);
  }

  #ping(): void {
    const channel = this.#link?.channel;
    if (channel === undefined) return;
    if (this.#pingsOut >= PINGS_OUT) return channel.end();
    this.#pingsOut += 1;
    channel.toServer(() =>
      channel.toClient(() => {
        this.#pingsOut = 0;
      }),
    );
  }
}

const isUpdate = (subject: string): boolean => subject.startsWith('muster.v1.owner.') && subject.endsWith('.in');

function momentOf(subject: string): string | undefined {
  if (subject === SUBJECTS.gateways) return 'question sent';
  if (isUpdate(subject)) return 'update sent';
  if (subject.startsWith(SUBJECTS.commandReports)) return 'reports sent';
  return /\.gateways?\.(.*\.)?commands$/.test(subject) ? 'delivery sent' : undefined;
}

/** Heartbeats come all the time, and tell a reader nothing. */
function told(subject: string, data: Uint8Array | undefined): MessageText | undefined {
  if (data === undefined) return () => 'nobody listens';
  return /heartbeat|beat/.test(subject) ? undefined : busText(subject, data);
}
