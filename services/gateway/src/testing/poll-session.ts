import { gzipSync } from 'node:zlib';
import {
  BATCH_ENTRY_BYTES,
  CLOSE,
  decodeBatch,
  encodeBatch,
  LIMITS,
  POLL_MEDIA_TYPE,
  POLL_SEQUENCE_HEADER,
  POLL_SESSION_HEADER,
} from '@muster/protocol';
import { PollClient, type PollAnswer, type PollAsk } from './poll-client.js';
import { connectHeaders, TestSession, type AgentState } from './test-session.js';

/** Shorter than any interval, so that tests need not wait for one. */
const POLL_MS = 25;
const GZIP_FROM_BYTES = 1_024;
/** How often a request without an answer is repeated. */
const REPEATS = 200;

/**
 * A session over Poll that comes all the time. With several addresses it takes them in turn. `flaky` repeats every request, as an agent
 * does that has not heard the answer to it.
 */
export class PollSession extends TestSession {
  readonly name: string;
  /** The age of the frames that are sent. */
  ageMs = 0;
  readonly #client: PollClient;
  readonly #urls: readonly string[];
  readonly #flaky: boolean;
  #turn = 0;
  #have = 0;
  #sequence = 0;
  #outgoing: Uint8Array[] = [];
  #wakePump: () => void = () => undefined;
  #isLeaving = false;
  #isCut = false;

  private constructor(agent: AgentState, parts: { client: PollClient; name: string; urls: readonly string[] }) {
    super(agent);
    this.name = parts.name;
    this.#client = parts.client;
    this.#urls = parts.urls;
    this.#flaky = agent.flaky;
  }

  /** Opens it only; rejects when that is refused. */
  static async open(agent: AgentState, urls: readonly string[]): Promise<PollSession> {
    const client = new PollClient(agent.from);
    const answer = await client.ask(urls[0] ?? '', { method: 'POST', headers: connectHeaders(agent) });
    const name = answer.headers[POLL_SESSION_HEADER];
    if (answer.status !== 200 || typeof name !== 'string') {
      client.stop();
      throw new Error(`refused with ${answer.status}: ${answer.body.toString()}`);
    }
    const session = new PollSession(agent, { client, name, urls });
    session.#take(answer);
    void session.#pump().finally(() => client.stop());
    return session;
  }

  sendBytes(bytes: Uint8Array): void {
    this.#outgoing.push(bytes);
    this.#wakePump();
  }

  close(): void {
    this.#isLeaving = true;
    this.#wakePump();
  }

  /** There is no connection to cut: it ends the session. */
  cut(): void {
    this.close();
  }

  /** Stops polling without ending the session. */
  vanish(): void {
    this.#isCut = true;
    this.#wakePump();
  }

  async #pump(): Promise<void> {
    while (this.isOpen) {
      const batch = this.#nextBatch();
      const question: PollAsk =
        batch !== undefined
          ? this.#post(batch)
          : { method: this.#isLeaving ? 'DELETE' : 'GET', headers: { ...this.#receipt() } };
      const answer = await this.#ask(question);
      if (this.#isCut) return;
      if (answer === undefined) return this.ended(1006);
      this.#take(answer);
      if (question.method === 'DELETE') return this.ended(CLOSE.normal.code);
      await this.#rest();
    }
  }

  #nextBatch(): Uint8Array | undefined {
    let bytes = 0;
    const fits = this.#outgoing.findIndex(
      (frame) => (bytes += frame.length + BATCH_ENTRY_BYTES) > LIMITS.pollBodyBytes,
    );
    const frames = this.#outgoing.splice(0, fits === -1 ? this.#outgoing.length : Math.max(1, fits));
    return frames.length === 0 ? undefined : encodeBatch(frames.map((frame) => ({ frame, ageMs: this.ageMs })));
  }

  #post(batch: Uint8Array): PollAsk {
    this.#sequence += 1;
    const isPacked = batch.length >= GZIP_FROM_BYTES;
    return {
      method: 'POST',
      headers: {
        ...this.#receipt(),
        [POLL_SEQUENCE_HEADER]: String(this.#sequence),
        'content-type': POLL_MEDIA_TYPE,
        ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
      },
      body: isPacked ? gzipSync(batch) : batch,
    };
  }

  #receipt(): Record<string, string> {
    return {
      [POLL_SESSION_HEADER]: this.name,
      'accept-encoding': 'gzip',
      ...(this.#have === 0 ? {} : { 'if-none-match': `"${this.#have}"` }),
    };
  }

  async #ask(question: PollAsk): Promise<PollAnswer | undefined> {
    let answersToLose = this.#flaky && question.method !== 'DELETE' ? 1 : 0;
    for (let failures = 0; failures < REPEATS && !this.#isCut;) {
      try {
        this.#turn += 1;
        const answer = await this.#client.ask(this.#urls[this.#turn % this.#urls.length] ?? '', question);
        if (answersToLose === 0 || answer.status === 410) return answer;
        answersToLose -= 1;
      } catch {
        failures += 1;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }
    return undefined;
  }

  #take({ status, headers, body }: PollAnswer): void {
    switch (status) {
      case 200: {
        const frames = decodeBatch(body);
        const upTo = Number(/^"(\d+)"$/.exec(headers.etag ?? '')?.[1]);
        if (frames === undefined || !(upTo >= frames.length)) throw new Error('the gateway sent no batch');
        frames.forEach(({ frame }, i) => {
          const number = upTo - frames.length + i + 1;
          if (number <= this.#have) return;
          if (number !== this.#have + 1) throw new Error(`frame ${number} after ${this.#have}`);
          this.#have = number;
          this.received(frame);
        });
        return;
      }
      case 204:
      case 304:
        return;
      case 410:
        return this.ended((JSON.parse(body.toString()) as { closeCode: number }).closeCode);
      default:
        throw new Error(`answered with ${status}: ${body.toString()}`);
    }
  }

  async #rest(): Promise<void> {
    if (this.#outgoing.length > 0 || this.#isLeaving || !this.isOpen) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.#wakePump = () => {
        clearTimeout(timer);
        // Frames of one turn go out together.
        setImmediate(resolve);
      };
    });
  }
}
