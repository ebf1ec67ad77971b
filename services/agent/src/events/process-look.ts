import { closeSync, openSync, read, readFileSync, readlinkSync } from 'node:fs';
import { textOfBytes } from '@muster/protocol';
import type { Clock } from '@muster/runtime/program';
import { BoundedCalls } from '../metrics/linux/bounded-calls.js';
import { parseProcessStat, TICK_MS } from '../metrics/linux/parse/process.js';
import { CMDLINE_BYTES, type SeenProcess } from './contract/recorded-events.js';

/** Of the arguments so much is counted. */
const CMDLINE_COUNTED = 128 * 1024;
/** One thread of Node's pool at most: the kernel reads arguments in the memory of the process, which may hang with it. */
const MAX_HANGING = 1;

/** Looks at processes in /proc soon after their event. */
export class ProcessLook {
  readonly #calls: BoundedCalls;
  readonly #proc: string;

  constructor(clock: Pick<Clock, 'setTimeout' | 'clear'>, proc = '/proc') {
    this.#calls = new BoundedCalls(clock, MAX_HANGING);
    this.#proc = proc;
  }

  /**
   * What is told of a thread or process. `undefined` when it has ended, or another one has its id: one that started
   * after the event of `at`, in microseconds since the machine started.
   */
  ids(id: number, at: number): SeenProcess | undefined {
    const folder = `${this.#proc}/${id}`;
    try {
      const stat = parseProcessStat(readFileSync(`${folder}/stat`));
      if (stat === undefined || stat.startTicks * TICK_MS * 1_000 > at) return undefined;
      // A line end in the name of the program is written as `\n` here.
      const status = readFileSync(`${folder}/status`, 'latin1');
      const numbers = (name: string): number[] | undefined =>
        new RegExp(`^${name}:\\s(.*)$`, 'm').exec(status)?.[1]?.split(/\s+/).map(Number);
      const [pid] = numbers('Tgid') ?? [];
      const [parent] = numbers('PPid') ?? [];
      const [uids, gids] = [numbers('Uid'), numbers('Gid')];
      const links = {
        cwd: linkOf(`${folder}/cwd`),
        exe: linkOf(`${folder}/exe`),
        auid: numberOf(`${folder}/loginuid`),
      };
      return defined({ pid, parent, uids, gids, ...links });
    } catch {
      return undefined;
    }
  }

  /** The arguments. `undefined` when they cannot be read, or not in time. */
  async arguments(pid: number): Promise<Pick<SeenProcess, 'cmdline' | 'cmdlineSize'> | undefined> {
    const path = `${this.#proc}/${pid}/cmdline`;
    const bytes = await this.#calls.call(path, () => readStart(path, CMDLINE_COUNTED));
    // A process that has ended meanwhile has none.
    if (bytes === undefined || bytes.length === 0) return undefined;
    return { cmdline: commandLine(bytes.subarray(0, CMDLINE_BYTES)), cmdlineSize: bytes.length };
  }
}

/** Arguments end with NUL. */
function commandLine(bytes: Buffer): string {
  return textOfBytes(bytes).replace(/\0+$/, '').replaceAll('\0', ' ').trim();
}

async function readStart(path: string, limit: number): Promise<Buffer> {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(limit);
    let length = 0;
    for (;;) {
      const got = await new Promise<number>((resolve, reject) =>
        read(fd, buffer, length, limit - length, null, (error, count) => (error ? reject(error) : resolve(count))),
      );
      length += got;
      if (got === 0 || length === limit) return buffer.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

/** Made by the kernel alone: no file system is asked. */
function linkOf(path: string): string | undefined {
  try {
    return textOfBytes(readlinkSync(path, 'buffer'));
  } catch {
    return undefined;
  }
}

function numberOf(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'latin1'));
  } catch {
    return undefined;
  }
}

function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
