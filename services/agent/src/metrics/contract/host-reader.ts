import type { Shape } from '@muster/host-metrics';

/** What a host measured at one moment: a `Sample` without its number and its time. */
export interface Reading {
  /** The same object as that of the reading before, as long as the host has the same disks, interfaces … */
  readonly shape: Shape;
  /** Integers in the scale of their metric, within the bounds of the encoding; `NaN` is absent. */
  readonly values: Float64Array;
}

/** Measures this host. Its methods never throw: what cannot be read is absent. */
export interface HostReader {
  /** Reads the standard set; the values of the detailed set are those of its last reading. */
  read(): Reading;
  close(): void;
}
