/** A host (an address or a name; an IPv6 address without brackets) and a TCP port. */
export interface NetworkEnd {
  readonly host: string;
  readonly port: number;
}

/** The host and port that a URL leads to, with the default port of its scheme. */
export function urlEnd({ hostname, port, protocol }: URL): NetworkEnd {
  const isEncrypted = protocol === 'wss:' || protocol === 'https:';
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (isEncrypted ? 443 : 80) };
}

/** Both ends of a socket; empty before it is connected. */
export function socketEnds(socket: {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): NetworkEnd[] {
  return [...networkEnd(socket.remoteAddress, socket.remotePort), ...networkEnd(socket.localAddress, socket.localPort)];
}

function networkEnd(host: string | undefined, port: number | undefined): NetworkEnd[] {
  return host === undefined || port === undefined ? [] : [{ host, port }];
}
