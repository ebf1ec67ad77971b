import type { Logger } from '@muster/runtime';
import type * as Uws from 'uWebSockets.js';
import type { Transport, TransportHandlers, TransportOptions } from './transport.js';
import { UwsTransport } from './uws-transport.js';
import { WsTransport } from './ws-transport.js';

export type TransportKind = 'auto' | 'uws' | 'ws';

/**
 * `auto`: the fast transport, or the portable one where the native module cannot be loaded (an older C library, another processor).
 * `uws` rejects when the module cannot be loaded.
 */
export async function chooseTransport<Context>(
  kind: TransportKind,
  options: TransportOptions,
  { handlers, logger }: { readonly handlers: TransportHandlers<Context>; readonly logger: Logger },
): Promise<Transport> {
  if (kind === 'ws') return new WsTransport(options, handlers);
  let uws: typeof Uws;
  try {
    uws = ((await import('uWebSockets.js')) as unknown as { default: typeof Uws }).default;
  } catch (error) {
    if (kind === 'uws') throw error;
    logger.warn('native transport does not load, using the portable one', { err: error });
    return new WsTransport(options, handlers);
  }
  return new UwsTransport(uws, options, handlers);
}
