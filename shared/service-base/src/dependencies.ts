import { natsServerNames, type Bus, type StreamStore } from '@muster/bus';
import type { Registry } from '@muster/registry';
import type { Check, Logger } from '@muster/runtime';
import type { ServiceConfig } from './common-fields.js';

/** What a service needs, as soon as it has it. */
export interface Found {
  readonly broker?: { readonly bus: Pick<Bus, 'connected'>; readonly streams: Pick<StreamStore, 'catchingUp'> };
  readonly registry?: Pick<Registry, 'fault'>;
}

/** What `/readyz` says of broker, streams and registry, also before there are any. */
export class Dependencies {
  readonly #servers: string;
  #waitsFor: string | undefined;
  #found: Found = {};

  constructor({ natsUrls }: Pick<ServiceConfig, 'natsUrls'>) {
    this.#servers = natsServerNames(natsUrls);
    this.#waitsFor = `connecting to nats at ${this.#servers}`;
  }

  waitFor(why: string | undefined): void {
    this.#waitsFor = why;
  }

  found(found: Found): void {
    this.#found = { ...this.#found, ...found };
    this.#waitsFor = 'waiting for redis, and then for its streams';
  }

  broker(): ReturnType<Check> {
    if (this.#found.broker?.bus.connected === false)
      return { ok: false, detail: `the connection to nats at ${this.#servers} is lost` };
    return this.#waitsFor === undefined ? true : { ok: false, detail: this.#waitsFor };
  }

  /** What the service reads before it is ready. A stream that was made again is read again while it works. */
  streams(): ReturnType<Check> {
    const reading = [...(this.#found.broker?.streams.catchingUp ?? [])];
    if (reading.length === 0) return true;
    const count = new Intl.NumberFormat('en');
    const detail = reading
      .map(({ stream, done, of }) => `reading ${stream}: ${count.format(done)} of ${count.format(of)}`)
      .join('; ');
    return { ok: false, needed: false, detail };
  }

  logProgress(logger: Logger): void {
    const reading = this.streams();
    if (typeof reading === 'object' && 'detail' in reading) logger.info('reading streams', { detail: reading.detail });
  }

  registry(): ReturnType<Check> {
    const { registry } = this.#found;
    const fault = registry === undefined ? 'not asked yet' : registry.fault;
    return fault === undefined ? true : { ok: false, needed: false, detail: fault };
  }
}
