import { useState } from 'react';
import { wasNotDone } from './client.js';

interface Sent {
  readonly key: string;
  readonly body: unknown;
  isUnclear: boolean;
}

/**
 * Idempotency keys of what one form sends. A key belongs to what is sent: who presses again after an answer was lost
 * sends the same key, and the server does it once. After an answer the next one is another, and so it is after a
 * refusal: nothing was done, and a body with a time would say one that has passed.
 */
export class SentOnce {
  readonly #sent = new Map<string, Sent>();

  /** Whether it may have been done although no answer came: nobody knows, until it is sent again and answered. */
  isUnclear(content: unknown): boolean {
    return this.#sent.get(JSON.stringify(content))?.isUnclear === true;
  }

  send<T>(content: unknown, call: (idempotencyKey: string) => Promise<T>): Promise<T> {
    return this.sendMade(
      content,
      () => content,
      (_body, idempotencyKey) => call(idempotencyKey),
    );
  }

  /**
   * For a body that is not the same at another moment, such as one with a time: what the form says decides, and its
   * first body is sent again.
   */
  async sendMade<B, T>(
    said: unknown,
    make: () => B,
    call: (body: B, idempotencyKey: string) => Promise<T>,
  ): Promise<T> {
    const text = JSON.stringify(said);
    const sent = this.#sent.get(text) ?? { key: crypto.randomUUID(), body: make(), isUnclear: false };
    this.#sent.set(text, sent);
    try {
      // Sound where a component makes all bodies of what it says in one way.
      const answer = await call(sent.body as B, sent.key);
      this.#sent.delete(text);
      return answer;
    } catch (error) {
      sent.isUnclear ||= !wasNotDone(error);
      // A refusal says nothing of what was sent before it.
      if (!sent.isUnclear) this.#sent.delete(text);
      throw error;
    }
  }
}

/** The keys of one component. */
export function useSentOnce(): SentOnce {
  const [sentOnce] = useState(() => new SentOnce());
  return sentOnce;
}
