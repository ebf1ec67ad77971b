import type { StreamMessageJson } from '@muster/api-contract';
import { eventually } from '@muster/runtime/testing';

type Event = StreamMessageJson['event'] & Readonly<Record<string, unknown>>;

/** Reads a multiplexed stream as NDJSON, in the background. */
export class StreamReader {
  readonly messages: { readonly sub: string | null; readonly event: Event }[] = [];
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<void>;
  readonly #abort = new AbortController();
  #isPaused = false;

  private constructor(response: Response) {
    this.ended = this.#read(response).catch(() => undefined);
  }

  static async open(
    url: string,
    headers: Record<string, string>,
    subscriptions: readonly object[],
  ): Promise<StreamReader> {
    const response = await fetch(`${url}/v1/stream`, {
      method: 'POST',
      headers: { accept: 'application/x-ndjson', 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ subscriptions }),
    });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    const reader = new StreamReader(response);
    await eventually(() => reader.messages.length > 0);
    return reader;
  }

  get id(): string {
    return String(this.messages[0]?.event['stream']);
  }

  /** The events of one subscription so far. */
  of(sub: string): Event[] {
    return this.messages.filter((message) => message.sub === sub).map(({ event }) => event);
  }

  names(sub: string): string[] {
    return this.of(sub).map(({ event }) => event);
  }

  /** Until then nothing is taken from the socket. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.ended;
  }

  async #read(response: Response): Promise<void> {
    const reader = response.body?.getReader();
    this.#abort.signal.addEventListener('abort', () => void reader?.cancel());
    const decoder = new TextDecoder();
    let rest = '';
    for (;;) {
      while (this.#isPaused && !this.#abort.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10));
      const part = await reader?.read();
      if (part === undefined || part.done) return;
      const lines = (rest + decoder.decode(part.value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('{"sub"')) this.messages.push(JSON.parse(line) as never);
    }
  }
}
