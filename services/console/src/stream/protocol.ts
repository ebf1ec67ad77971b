/** What readers and the holder of the one stream say to each other, and what the server does. */

/** One thing to follow, as `POST /v1/stream` takes it, without its id. */
export type Subscription =
  | { readonly kind: 'query'; readonly queryId: string }
  | { readonly kind: 'command'; readonly commandId: string; readonly targets?: 'settled' | 'all' | 'none' }
  | { readonly kind: 'health'; readonly selector?: string }
  | {
      readonly kind: 'metrics';
      readonly agentId: string;
      readonly past?: string;
      readonly minutes?: string;
      readonly layout?: 'samples' | 'columns';
    }
  | { readonly kind: 'queries' }
  | { readonly kind: 'commands' }
  | { readonly kind: 'fleet'; readonly selector: string; readonly by?: readonly string[]; readonly every?: string };

/** From a reader. `key` is the reader's own name for it. `port` is another reader. */
export type ToStream =
  | { readonly kind: 'subscribe'; readonly key: string; readonly subscription: Subscription }
  | { readonly kind: 'unsubscribe'; readonly key: string }
  | { readonly kind: 'reader'; readonly port: MessagePort }
  | { readonly kind: 'wake' }
  | { readonly kind: 'bye' };

/** The connection of the stream, as people see it. */
export type Link =
  | { readonly state: 'idle' }
  | { readonly state: 'open' }
  | { readonly state: 'lost'; readonly since: number; readonly why: string }
  | { readonly state: 'signed_out' };

/**
 * Among them `refused`: the subscription cannot be had; with `isPassing` it is asked for again by itself, and its next
 * event says that it goes on.
 */
export type StreamEvent = { readonly event: string; readonly seq?: number | string | null } & Readonly<
  Record<string, unknown>
>;

/** To a reader. */
export type FromStream =
  | { readonly kind: 'event'; readonly key: string; readonly event: StreamEvent }
  | { readonly kind: 'link'; readonly link: Link };
