import type { HostReader, Reading } from '../contract/host-reader.js';
import { ReadingComposer } from '../contract/measurements.js';
import { StandardSet, type StandardSetOptions } from './standard-set.js';

/** Measures a Linux machine. Starts no processes. */
export class LinuxReader implements HostReader {
  readonly #standard: StandardSet;
  readonly #composer = new ReadingComposer();

  constructor(options: StandardSetOptions) {
    this.#standard = new StandardSet(options);
  }

  read(): Reading {
    return this.#composer.compose(this.#standard.read());
  }

  close(): void {
    this.#standard.close();
  }
}
