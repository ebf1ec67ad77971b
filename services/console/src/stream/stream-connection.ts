import { ApiProblem, jsonValues, type ApiClient, type ProblemFields } from '@muster/api-client';
import type { Link, StreamEvent, Subscription } from './protocol.js';

/** The server says something every 10 s; after so long the connection counts as gone. */
const SILENCE_MS = 25_000;
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 15_000;

/** A subscription as the stream needs it. */
export interface Wanted {
  readonly id: string;
  readonly subscription: Subscription;
  readonly after?: number | string | undefined;
}

/** Whom a connection serves. */
export interface ConnectionOwner {
  /** The subscriptions that it should have now. */
  wanted(): readonly Wanted[];
  onEvent(id: string, event: StreamEvent): void;
  onLink(link: Link): void;
  /** The server does not take this one. It must not be wanted again before something has changed. */
  onRefused(id: string, problem: ProblemFields): void;
}

interface Message {
  readonly sub: string | null;
  readonly event: StreamEvent & { readonly stream?: string };
}

interface Change {
  readonly add: readonly Wanted[];
  readonly remove: readonly string[];
}

/**
 * The one stream of a browser. A connection that is lost or silent is replaced by another. What it has is brought in
 * line with what is wanted, one change after the other. A subscription that the server does not take costs the others
 * nothing: who is refused together is asked one by one.
 *
 *     idle ──something is wanted──▶ opening ──▶ open ──lost──▶ pause ──▶ opening …
 */
export class StreamConnection {
  readonly #client: ApiClient;
  readonly #owner: ConnectionOwner;
  #link: Link = { state: 'idle' };
  #streamId: string | undefined;
  #connection: AbortController | undefined;
  #pause: { readonly timer: ReturnType<typeof setTimeout> } | undefined;
  #failures = 0;
  #heardAt = 0;
  /** What the open stream has. */
  #has = new Set<string>();
  /** Among what is wanted is something that the server does not take. */
  #isOneByOne = false;
  #isChanging = false;
  #isDue = false;

  constructor(client: ApiClient, owner: ConnectionOwner) {
    this.#client = client;
    this.#owner = owner;
  }

  get link(): Link {
    return this.#link;
  }

  /** What is wanted has changed. Changes of one moment go in one call. */
  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      void this.#bringInLine();
    });
  }

  /** A tab is seen again, or somebody has signed in: timers may have slept, so look at once. */
  wake(): void {
    if (this.#connection === undefined) {
      if (this.#owner.wanted().length > 0) this.#schedule(0);
    } else if (this.#streamId !== undefined && Date.now() - this.#heardAt > SILENCE_MS) this.#connection.abort();
  }

  /** Ends it; for whoever has a connection of their own. */
  close(): void {
    clearTimeout(this.#pause?.timer);
    this.#connection?.abort();
  }

  async #bringInLine(): Promise<void> {
    if (this.#connection === undefined) {
      if (this.#pause === undefined && this.#owner.wanted().length > 0) void this.#connect();
      return;
    }
    // Not open yet: it is brought in line when it opens.
    if (this.#streamId === undefined || this.#isChanging) return;
    const connection = this.#connection;
    this.#isChanging = true;
    try {
      while (this.#connection === connection && this.#streamId !== undefined) {
        const wanted = this.#owner.wanted();
        const add = wanted.filter(({ id }) => !this.#has.has(id)).slice(0, this.#isOneByOne ? 1 : wanted.length);
        const remove = [...this.#has].filter((id) => !wanted.some((one) => one.id === id));
        if (add.length === 0 && remove.length === 0) break;
        await this.#change(this.#streamId, { add, remove }, connection.signal);
      }
      if (this.#connection === connection && this.#streamId !== undefined) this.#isOneByOne = false;
    } catch {
      // It is gone, or nobody knows: a new one has everything.
      connection.abort();
    } finally {
      this.#isChanging = false;
      // Another connection may have opened meanwhile, and have waited for this.
      if (this.#streamId !== undefined && this.#connection !== connection) this.changed();
    }
  }

  async #change(streamId: string, { add, remove }: Change, signal: AbortSignal): Promise<void> {
    const response = await this.#client.fetch(`/v1/stream/${encodeURIComponent(streamId)}`, {
      method: 'POST',
      body: { add: add.map(wireOf), remove },
      signal: AbortSignal.any([signal, AbortSignal.timeout(SILENCE_MS)]),
    });
    // Another stream knows nothing of it.
    if (streamId !== this.#streamId) return;
    const [first] = add;
    if (response.ok) {
      for (const id of remove) this.#has.delete(id);
      for (const { id } of add) this.#has.add(id);
    } else if (!isOfContent(response.status) || response.status === 404 || first === undefined) {
      throw new ApiProblem(response.status, {});
    } else if (add.length > 1) this.#isOneByOne = true;
    else this.#owner.onRefused(first.id, await problemOf(response));
  }

  async #connect(): Promise<void> {
    const connection = new AbortController();
    this.#connection = connection;
    const asked = this.#isOneByOne ? [] : this.#owner.wanted();
    let why = 'the connection ended';
    try {
      const response = await this.#client.fetch('/v1/stream', {
        method: 'POST',
        body: { subscriptions: asked.map(wireOf) },
        headers: { accept: 'text/event-stream' },
        signal: connection.signal,
      });
      if (response.status === 401) return this.#signedOut();
      if (isOfContent(response.status)) this.#isOneByOne = true;
      if (!response.ok) throw new ApiProblem(response.status, {});
      await this.#read(response, connection.signal, asked);
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    } finally {
      if (this.#connection === connection) this.#connection = undefined;
      this.#streamId = undefined;
      // A change of this stream that is under way would hold up those of the next one.
      connection.abort();
    }
    this.#lost(why);
  }

  async #read(response: Response, signal: AbortSignal, asked: readonly Wanted[]): Promise<void> {
    for await (const value of jsonValues(response, SILENCE_MS, signal)) {
      const { sub, event } = value as Message;
      this.#heardAt = Date.now();
      if (event.event === 'open') {
        this.#streamId = event.stream;
        this.#has = new Set(asked.map(({ id }) => id));
        this.#failures = 0;
        this.#tell({ state: 'open' });
        this.changed();
      } else if (sub !== null) {
        // Its last event: the stream does not have it any more.
        if (event.event === 'closed' || event.event === 'refused') this.#has.delete(sub);
        this.#owner.onEvent(sub, event);
      }
    }
  }

  #lost(why: string): void {
    if (this.#owner.wanted().length === 0) return this.#tell({ state: 'idle' });
    this.#failures += 1;
    if (this.#link.state !== 'lost') this.#tell({ state: 'lost', since: this.#heardAt || Date.now(), why });
    const most = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1));
    this.#schedule(most / 2 + (Math.random() * most) / 2);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#pause?.timer);
    const timer = setTimeout(() => {
      this.#pause = undefined;
      if (this.#connection === undefined) void this.#connect();
    }, ms);
    this.#pause = { timer };
  }

  #signedOut(): void {
    this.#connection = undefined;
    this.#tell({ state: 'signed_out' });
  }

  #tell(link: Link): void {
    this.#link = link;
    this.#owner.onLink(link);
  }
}

/** Refused for what was sent, and not for who sent it, when, or how often. */
function isOfContent(status: number): boolean {
  return status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);
}

async function problemOf(response: Response): Promise<ProblemFields> {
  return (await response.json().catch(() => ({}))) as ProblemFields;
}

function wireOf({ id, subscription, after }: Wanted): Record<string, unknown> {
  return { id, ...subscription, ...(after === undefined ? {} : { after }) };
}
