import { FAMILY, type Socket } from './net.js';

/** One more column than `/proc/net/unix` has. */
export interface ListedUnixSocket extends Socket {
  /** What only the kernel's socket diagnostics tell: who is connected to it, or how long its queues are. */
  readonly isDiagnosed: boolean;
}

/** Parses `ss -xaHnO` of sockets whose names have no line break. Such a name may end in what looks like the columns behind it. */
export function* parseSsUnix(output: string): Iterable<ListedUnixSocket> {
  for (const line of output.split('\n')) {
    const match = /^u_(\S+) +(\S+) +(\d+) +(\d+) +(.*) (\d+) +\* (\d+) *$/.exec(line);
    if (match === null) continue;
    const [, kind, state, received, sent, name = '', inode, peer] = match;
    const path = name === '*' ? '' : name;
    yield {
      inode: Number(inode),
      family: FAMILY.unix,
      protocol: 0,
      ...{ localAddress: '', localPort: 0, remoteAddress: '', remotePort: 0, state: '' },
      path,
      listening: path !== '' && (state === 'LISTEN' || kind === 'dgr'),
      isDiagnosed: [received, sent, peer].some((number) => number !== '0'),
    };
  }
}
