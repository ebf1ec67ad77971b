import type { AgentJson, MetricsEventJson } from '@muster/api-contract';
import { readHost, readTraffic, type HostReading, type HostSample } from './host-reading.js';
import { HostHistory, historyPoint } from './host-history.js';
import { HostSeries } from './host-series.js';
import type { EndpointScene, Processes } from './endpoint-scene.js';

export type EndpointFacts = Pick<AgentJson, 'agentId' | 'host' | 'osName' | 'osVersion' | 'arch'>;

/** A sample and the one before it. It is read when somebody wants to know. */
export class ReadSample {
  readonly from: 'history' | 'live';
  readonly #sample: HostSample;
  readonly #before: HostSample | undefined;
  #reading: HostReading | undefined;

  constructor(from: 'history' | 'live', sample: HostSample, before: HostSample | undefined) {
    this.from = from;
    this.#sample = sample;
    this.#before = before;
  }

  get atMs(): number {
    return this.#sample.atMs;
  }

  get reading(): HostReading {
    return (this.#reading ??= readHost(this.#sample, this.#before));
  }
}

/** What the events of an endpoint say, as they come. */
export class EndpointState {
  readonly history = new HostHistory();
  readonly #host: string;
  readonly #system: string;
  readonly #now: () => number;
  #series = new HostSeries([]);
  #before: HostSample | undefined;
  #last: ReadSample | undefined;
  #cameMs: number | undefined;
  #processes: Processes | undefined;
  #state: EndpointScene['state'] = 'connecting';

  /** `now` is a clock that never jumps, in milliseconds. */
  constructor({ host, osName, osVersion, arch }: EndpointFacts, now: () => number) {
    this.#host = host;
    this.#system = [osName, osVersion, arch].filter((fact) => fact !== '').join(' ');
    this.#now = now;
  }

  /** The sample that the event was, if it was one that is news. */
  take(event: MetricsEventJson): ReadSample | undefined {
    switch (event.event) {
      case 'series':
        this.#series = new HostSeries(event.series);
        return undefined;
      case 'sample':
        return this.#sample(event);
      case 'processes':
        this.#processes = event;
        return undefined;
      case 'state':
        this.#state = event.state === 'away' ? 'away' : 'live';
        // Samples of the past do not tell how old they are: the endpoint's clock may say anything.
        this.#cameMs ??= this.#now();
        return undefined;
      case 'stalled':
        this.#state = 'stalled';
        return undefined;
      case 'minute':
      case 'past':
      case 'gap':
        // The past comes sample by sample, and gaps are seen from their times.
        return undefined;
    }
  }

  /** The stream broke, and is opened again. */
  lost(): void {
    this.#state = 'lost';
  }

  scene(): EndpointScene {
    return {
      host: this.#host,
      system: this.#system,
      state: this.#state,
      reading: this.#last?.reading,
      ageMs: this.#cameMs === undefined ? undefined : this.#now() - this.#cameMs,
      history: this.history,
      processes: this.#processes,
    };
  }

  #sample({ at, from, values }: Extract<MetricsEventJson, { readonly event: 'sample' }>): ReadSample | undefined {
    const atMs = Date.parse(at);
    // A stream that was opened anew may begin before what is known.
    if (from === 'history' && atMs <= (this.#before?.atMs ?? -Infinity)) return undefined;
    const sample = { atMs, series: this.#series, values };
    this.history.add(historyPoint(atMs, readTraffic(sample, this.#before)));
    this.#last = new ReadSample(from, sample, this.#before);
    this.#before = sample;
    if (from === 'live') {
      this.#cameMs = this.#now();
      this.#state = 'live';
    }
    return this.#last;
  }
}
