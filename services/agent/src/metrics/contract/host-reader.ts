import type { Shape } from '@muster/host-metrics';

/** What a host measured at one moment: a `Sample` without its number and its time. */
export interface Reading {
  /** The same object as that of the reading before, as long as the host has the same disks, interfaces … */
  readonly shape: Shape;
  /** Integers in the scale of their metric, within the bounds of the encoding; `NaN` is absent. */
  readonly values: Float64Array;
  /**
   * The values without those of the standard set that were read more than a second or two ago: counters stand still, and
   * would then grow within one second by what they did in a minute. Not set where all are of this moment.
   */
  readonly recent?: Float64Array;
}

export interface ProcessUse {
  readonly pid: number;
  readonly name: string;
  /** Of one processor since the last reading: 1 is all of it. */
  readonly share: number;
  readonly residentBytes: number;
  /** The user it runs as. */
  readonly user: string;
}

/** The processes that use most, the largest first. */
export interface TopProcesses {
  readonly byCpu: readonly ProcessUse[];
  readonly byMemory: readonly ProcessUse[];
}

export interface RefreshOptions {
  /** Whether somebody wants to see which processes use most. */
  readonly topProcesses: boolean;
}

/** Measures this host. Its methods never throw, and its promises never reject: what cannot be read is absent. */
export interface HostReader {
  /** Reads the standard set; the values of the detailed set are those of its last reading. */
  read(): Reading;
  /**
   * Reads the detailed set. Takes long where there are many processes, but never holds up the event loop. Called again
   * only when it is done.
   */
  refresh(options: RefreshOptions): Promise<TopProcesses | undefined>;
  close(): void;
}
