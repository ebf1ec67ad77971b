import type { Logger } from '@muster/runtime';
import type * as Uws from 'uWebSockets.js';
import { ReceiveBuffers } from './receive-buffers.js';
import type { Transport, TransportHandlers, TransportOptions } from './transport.js';
import { UwsTransport } from './uws-transport.js';
import { WsTransport } from './ws-transport.js';

export type TransportKind = 'auto' | 'uws' | 'ws';

/**
 * `auto`: the fast transport, or the portable one where the native module cannot be loaded (an older C library, another processor), or
 * where its reads under TLS cannot be bounded. `uws` rejects when the module cannot be loaded.
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
  if (options.tls === undefined) return new UwsTransport({ uws }, options, handlers);
  const receiveBuffers = await ReceiveBuffers.load();
  if (receiveBuffers === undefined) {
    logger.warn(
      'receive buffers cannot be bounded: over TLS the native transport may cut peers that send a lot at once',
      {
        transport: kind === 'uws' ? 'native' : 'portable',
      },
    );
    if (kind === 'auto') return new WsTransport(options, handlers);
  }
  return new UwsTransport({ uws, receiveBuffers }, options, handlers);
}
