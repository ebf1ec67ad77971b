import type { ApiClient } from '@muster/api-client';
import type { MetricsEventJson } from '@muster/api-contract';

/** Follows one endpoint over one connection, as a console does. */
export class MetricsViewer {
  /** By the endpoint's clock, which is that of this machine. */
  lastMs = 0;
  gaps = 0;
  /** Of all samples. */
  readonly times: number[] = [];
  /** Times between two samples, more than ten seconds, that were not marked. */
  readonly unmarked: number[] = [];
  readonly problems: unknown[] = [];
  readonly #aborted = new AbortController();
  readonly #done: Promise<void>;

  constructor(api: ApiClient, agentId: string) {
    this.#done = this.#read(api, agentId).catch((error: unknown) => {
      if (!this.#aborted.signal.aborted) this.problems.push(error);
    });
  }

  async stop(): Promise<void> {
    this.#aborted.abort();
    await this.#done;
  }

  async #read(api: ApiClient, agentId: string): Promise<void> {
    const events = api.events('GET /v1/agents/{id}/metrics/stream', {
      ...{ params: { id: agentId }, query: { past: '0' }, signal: this.#aborted.signal },
      onReconnect: () => this.problems.push('the stream was opened again'),
    });
    let gapToMs = 0;
    for await (const event of events as AsyncIterable<MetricsEventJson>) {
      if (event.event === 'gap') {
        this.gaps += 1;
        gapToMs = Date.parse(event.to);
      } else if (event.event === 'sample') {
        const atMs = Date.parse(event.at);
        if (this.lastMs > 0 && atMs - this.lastMs > 10_000 && gapToMs !== atMs) this.unmarked.push(atMs - this.lastMs);
        this.lastMs = atMs;
        this.times.push(atMs);
      }
    }
  }
}
