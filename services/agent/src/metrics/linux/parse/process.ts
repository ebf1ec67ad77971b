import { sum } from './sum.js';
import { TextScanner } from './text-scanner.js';

/** USER_HZ: the unit of times in `/proc`, the same on all current architectures. */
export const TICK_MS = 10;

export interface ProcessStat {
  /** As Latin-1: a program may call itself what it wants. */
  readonly name: string;
  /** One letter. */
  readonly state: string;
  /** Processor time of the process in ticks, and of its children that ended and were waited for. */
  readonly ticks: number;
  readonly childTicks: number;
  readonly threads: number;
  /** When it started, in ticks since the machine did. Together with the id it names one process. */
  readonly startTicks: number;
  readonly residentPages: number;
}

const CLOSING = 0x29;
const OPENING = 0x28;

/**
 * Reads `/proc/PID/stat` (proc_pid_stat(5)); `undefined` when it is none. The name may contain blanks, brackets and
 * line ends, so it ends at the last bracket.
 */
export function parseProcessStat(bytes: Buffer): ProcessStat | undefined {
  const opening = bytes.indexOf(OPENING);
  const closing = bytes.lastIndexOf(CLOSING);
  if (opening === -1 || closing < opening) return undefined;
  const text = new TextScanner(bytes.subarray(closing + 1));
  const state = text.word();
  text.skip(10);
  const ticks = sum(text.number(), text.number());
  const childTicks = sum(text.number(), text.number());
  text.skip(2);
  const threads = text.number();
  text.skip(1);
  const startTicks = text.number();
  text.skip(1);
  const residentPages = text.number();
  if (state.length !== 1 || !(ticks >= 0) || !(threads >= 0) || !(startTicks >= 0) || !(residentPages >= 0)) {
    return undefined;
  }
  const name = bytes.toString('latin1', opening + 1, closing);
  return { name, state, ticks, childTicks: Math.max(0, childTicks) || 0, threads, startTicks, residentPages };
}
