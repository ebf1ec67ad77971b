import { ModeOverrides } from '@muster/api/mode-overrides';
import { Directory, DirectoryWriter } from '@muster/directory';
import { CommandClient } from '@muster/api/command-client';
import { Idempotency } from '@muster/api/idempotency';
import { queryEvents } from '@muster/api/query-events';
import { QueryClient } from '@muster/api/query-client';
import { RunningCalls } from '@muster/api/running-calls';
import { commandServices, queryServices } from '@muster/api/upstream-services';
import { AppError, type QueryId } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import { Channel } from '../world/channel.js';
import type { SimulatedProcess, World } from '../world/world.js';
import { ORG } from './identities.js';
import { parts, startInOrder, type Brokers } from './parts.js';

/** What an API process has of what is judged here, for one life. */
export interface Api {
  readonly queries: QueryClient;
  readonly commands: CommandClient;
  readonly idempotency: Idempotency;
  readonly overrides: ModeOverrides;
  /** Who is enrolled, as far as it knows. */
  readonly directory: Directory;
  /** The events of a query after this sequence, to its end. */
  events(id: QueryId, afterSeq: number, signal: AbortSignal): AsyncIterable<Told>;
}

/** An event as a viewer gets it. */
interface Told {
  readonly seq: number;
  readonly event: ResultEvent;
}

/** The connection ended, or nothing came for too long: nobody knows what was done. */
export class LostError extends Error {}

/** As a load balancer or a client is set. */
const TIMEOUT_MS = 15_000;
const HEARTBEAT_MS = 5_000;

/** An API process: the parts of production behind connections, without HTTP. */
export class ApiNode {
  readonly process: SimulatedProcess;
  readonly #world: World;
  readonly #brokers: Brokers;
  #api: Api | undefined;

  constructor(world: World, name: string, brokers: Brokers) {
    this.#world = world;
    this.#brokers = brokers;
    this.process = world.process(name);
  }

  start(): void {
    this.#api = undefined;
    this.#world.schedule(this.process, 0, () => void this.#run());
  }

  async #run(): Promise<void> {
    const { broker, clock, logger } = parts(this.#world, this.process, this.#brokers);
    const { bus, streams } = broker;
    const toQueries = queryServices({ bus, clock });
    const toCommands = commandServices({ bus, clock });
    const calls = new RunningCalls(bus);
    const recordOf = async (id: QueryId): Promise<QueryRecord | undefined> => {
      const entry = await streams.last(STREAMS.queries.name, STREAM_SUBJECTS.query(ORG, id));
      return entry && decodeQueryRecord<QueryRecord>(entry.data);
    };
    await startInOrder([
      ['calls under keys', calls],
      ['heartbeats', toQueries.heartbeats],
      ['heartbeats of command services', toCommands.heartbeats],
    ]);
    const directory = new Directory({ streams, logger });
    // Of it only changes of channels need something.
    void directory.start();
    const overrides = new ModeOverrides({ streams, writer: new DirectoryWriter({ streams }) });
    this.#api = {
      ...{ overrides, directory },
      queries: new QueryClient({ bus, clock, asker: toQueries.asker }),
      commands: new CommandClient({ bus, clock, asker: toCommands.asker }),
      idempotency: new Idempotency({ streams, calls, clock }),
      async *events(id, afterSeq, signal) {
        const record = await recordOf(id);
        if (record === undefined) throw new AppError('not_found', `there is no query ${id}`);
        const terms = { streams, clock, readRecord: () => recordOf(id), afterSeq, signal, heartbeatMs: HEARTBEAT_MS };
        for await (const item of queryEvents(record, terms)) if (item.kind === 'event') yield item;
      },
    };
  }

  /** One request of a client, over a connection of its own. @throws LostError; what the API answers. */
  call<T>(client: SimulatedProcess, run: (api: Api) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const channel = this.#connect(client, () => reject(new LostError('the connection was lost')));
      if (channel === undefined) return;
      this.#world.schedule(client, TIMEOUT_MS, () => channel.end());
      const answer = (settle: () => void): void => {
        channel.toClient(settle);
        channel.close();
      };
      channel.toServer(() => {
        const api = this.#api;
        if (api === undefined) return channel.end();
        run(api).then(
          (value) => answer(() => resolve(value)),
          (error: Error) => answer(() => reject(error)),
        );
      });
    });
  }

  /** An event stream. Resolves when it is over, whoever ended it. */
  stream(client: SimulatedProcess, from: { id: QueryId; afterSeq: number }, tell: (told: Told) => void): Promise<void> {
    return new Promise((resolve) => {
      const gone = new AbortController();
      const channel = this.#connect(client, resolve, () => gone.abort());
      channel?.toServer(() => void this.#show(channel, { ...from, signal: gone.signal }, tell));
    });
  }

  async #show(
    channel: Channel,
    { id, afterSeq, signal }: { readonly id: QueryId; readonly afterSeq: number; readonly signal: AbortSignal },
    tell: (told: Told) => void,
  ): Promise<void> {
    try {
      for await (const told of this.#api?.events(id, afterSeq, signal) ?? []) channel.toClient(() => tell(told));
    } catch {
      // The viewer connects again.
    }
    channel.close();
  }

  /** `undefined`, and `onEnd` soon, when nobody listens. */
  #connect(
    client: SimulatedProcess,
    onEnd: () => void,
    onServerEnd: () => void = () => undefined,
  ): Channel | undefined {
    if (this.process.state === 'down' || this.#api === undefined) {
      this.#world.schedule(client, 1, onEnd);
      return undefined;
    }
    return new Channel(this.#world, {
      client: { process: client, onEnd },
      server: { process: this.process, onEnd: onServerEnd },
    });
  }
}
