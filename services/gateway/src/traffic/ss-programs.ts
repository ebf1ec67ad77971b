import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';

/** Full paths of the programs that show the kernel's sockets. PATH is not used: it must not decide what a gateway runs. */
export interface SsPrograms {
  readonly ss: string;
  readonly stdbuf: string;
  /** Ends the child when the gateway is killed; without it, the child ends with the next line that it cannot write. */
  readonly setpriv: string | undefined;
}

export type SsChild = ChildProcessByStdio<null, Readable, Readable>;

/** Ends a child. One that could not be started has no process id: a signal to it would go to the whole process group of the gateway. */
export function killChild(child: SsChild): void {
  if (child.pid !== undefined) child.kill('SIGKILL');
}

const FOLDERS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin', '/usr/local/sbin'];

/** `ss` is part of iproute2, `stdbuf` of coreutils, `setpriv` of util-linux. Undefined where one of the first two is missing. */
export function findSsPrograms(folders: readonly string[] = FOLDERS): SsPrograms | undefined {
  const [ss, stdbuf, setpriv] = ['ss', 'stdbuf', 'setpriv'].map((name) => find(folders, name));
  return ss === undefined || stdbuf === undefined ? undefined : { ss, stdbuf, setpriv };
}

/** Lists all sockets of a port, one a line, the listening one too. Sockets in TIME-WAIT carry nothing any more and are left out. */
export function spawnLook({ ss }: SsPrograms, port: number): SsChild {
  const states = ['state', 'listening', 'state', 'connected', 'exclude', 'time-wait', 'exclude', 'syn-recv'];
  return start([ss, '-tinOH', ...states, ofPort(port)]);
}

/** Runs until it is killed, and writes a line for each socket of the port that the kernel destroys. */
export function spawnFollower({ ss, stdbuf, setpriv }: SsPrograms, port: number): SsChild {
  const bound = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL'];
  // Without stdbuf, `ss` writes in blocks of four kilobytes.
  return start([...bound, stdbuf, '-oL', ss, '-E', '-tinOH', ofPort(port)]);
}

/** Whether a process receives socket events: it has joined a group of NETLINK_SOCK_DIAG, which is 4. */
export function followsSockets(pid: number): boolean {
  try {
    return readFileSync('/proc/net/netlink', 'latin1')
      .split('\n')
      .some((line) => {
        const [, protocol, owner, groups = '0'] = line.trim().split(/\s+/);
        return protocol === '4' && owner === String(pid) && /[1-9a-f]/.test(groups);
      });
  } catch {
    return false;
  }
}

function ofPort(port: number): string {
  return `sport = :${port}`;
}

/** Throws when it cannot be started for want of descriptors or memory. */
function start([program = '', ...args]: readonly string[]): SsChild {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { LC_ALL: 'C' } });
  // Without a listener an error would end the gateway. Without descriptors there are no streams, although the types say so.
  child.on('error', () => undefined);
  if (!(child.stdout as Readable | null | undefined)) throw new Error(`${program} cannot be started`);
  return child;
}

function find(folders: readonly string[], name: string): string | undefined {
  return folders
    .map((folder) => `${folder}/${name}`)
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
