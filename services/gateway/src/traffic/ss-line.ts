import type { ByteCounts } from '@muster/protocol';

/** One TCP socket, as `ss -tinO` writes it. */
export interface SocketLine extends ByteCounts {
  readonly state: string;
  /** The addresses and ports of both ends. No two connections have the same at one time. */
  readonly key: string;
}

const HEAD = /^(\S+)\s+\d+\s+\d+\s+(\S+)\s+(\S+)/;

/** States in which the peer's FIN has come. */
const PEER_ENDED: ReadonlySet<string> = new Set(['CLOSE-WAIT', 'LAST-ACK', 'CLOSING']);

/**
 * Reads a line of `ss`; `undefined` for one that is none. Bytes are payload: what was sent again counts once (`bytes_sent` holds it each
 * time, `bytes_retrans` says how much of that it is). A FIN takes a number of TCP's sequence, so Linux counts the peer's as a byte
 * received: it is taken off. The line of a socket that is being destroyed (`UNCONN`) does not say whether the peer's FIN came. It is
 * assumed when ours was acknowledged (one byte more than was sent). Two kinds of connections are wrong by one byte for that:
 * - One that was reset after the peer's FIN counts a byte too much.
 * - One that this process closed before the peer's FIN counts a byte too little. Linux destroys such a socket as soon as our FIN is
 *   acknowledged.
 */
export function parseSocketLine(line: string): SocketLine | undefined {
  const head = HEAD.exec(line);
  if (head === null) return undefined;
  const [, state = '', local = '', peer = ''] = head;
  const sent = numberAfter(line, ' bytes_sent:') - numberAfter(line, ' bytes_retrans:');
  const received = numberAfter(line, ' bytes_received:');
  const ended = state === 'UNCONN' ? numberAfter(line, ' bytes_acked:') > sent : PEER_ENDED.has(state);
  return {
    state,
    key: `${local} ${peer}`,
    bytesIn: ended && received > 0 ? received - 1 : received,
    bytesOut: sent,
  };
}

/** `ss` leaves out what is 0. */
function numberAfter(line: string, name: string): number {
  const at = line.indexOf(name);
  return at === -1 ? 0 : Number.parseInt(line.slice(at + name.length, at + name.length + 20), 10);
}
