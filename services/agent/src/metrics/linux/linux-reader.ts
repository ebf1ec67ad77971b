import type { HostReader, Reading, RefreshOptions, TopProcesses } from '../contract/host-reader.js';
import { ReadingComposer } from '../contract/measurements.js';
import { DetailedSet, type DetailedSetOptions } from './detailed-set.js';
import { StandardSet, type StandardSetOptions } from './standard-set.js';

/** Measures a Linux machine. Starts no processes. */
export class LinuxReader implements HostReader {
  readonly #standard: StandardSet;
  readonly #detailed: DetailedSet;
  readonly #composer = new ReadingComposer();

  constructor(options: StandardSetOptions & DetailedSetOptions) {
    this.#standard = new StandardSet(options);
    this.#detailed = new DetailedSet(options);
  }

  read(): Reading {
    return this.#composer.compose(this.#standard.read(), this.#detailed.last);
  }

  refresh(options: RefreshOptions): Promise<TopProcesses | undefined> {
    return this.#detailed.refresh(options);
  }

  close(): void {
    this.#standard.close();
  }
}
