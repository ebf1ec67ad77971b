import type { HostReader, Reading } from '../contract/host-reader.js';
import { ReadingComposer } from '../contract/measurements.js';
import { readPortableSet } from './portable-set.js';

export interface PortableReaderOptions {
  /** What the agent itself costs. */
  readonly usage: { read(host: Float64Array): void };
}

/** What Node knows, on systems that have no reader of their own. The rest is absent. */
export class PortableReader implements HostReader {
  readonly #usage: PortableReaderOptions['usage'];
  readonly #composer = new ReadingComposer();

  constructor({ usage }: PortableReaderOptions) {
    this.#usage = usage;
  }

  read(): Reading {
    const set = readPortableSet();
    this.#usage.read(set.host);
    return this.#composer.compose(set);
  }

  refresh(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): void {}
}
