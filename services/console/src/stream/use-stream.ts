import { useEffect, useEffectEvent, useSyncExternalStore } from 'react';
import type { Link, StreamEvent, Subscription } from './protocol.js';
import { pageStream } from './stream-port.js';

/** Follows something for as long as the component is there; undefined follows nothing. */
export function useFollow(subscription: Subscription | undefined, onEvent: (event: StreamEvent) => void): void {
  const handle = useEffectEvent(onEvent);
  const text = subscription === undefined ? undefined : JSON.stringify(subscription);
  useEffect(() => {
    if (text === undefined) return undefined;
    return pageStream().follow(JSON.parse(text) as Subscription, (event) => handle(event));
  }, [text]);
}

/** How the connection of the stream stands. */
export function useLink(): Link {
  const stream = pageStream();
  return useSyncExternalStore(stream.onLink, stream.link);
}
