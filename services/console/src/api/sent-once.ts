import { useState } from 'react';

/**
 * Idempotency keys of what one form sends. A key belongs to what is sent: who presses again after an answer was lost
 * sends the same key, and the server does it once. After an answer the next one is another.
 */
export class SentOnce {
  readonly #sent = new Map<string, { readonly key: string; readonly body: unknown }>();

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
    const { key, body } = this.#sent.get(text) ?? { key: crypto.randomUUID(), body: make() };
    this.#sent.set(text, { key, body });
    // Sound where a component makes all bodies of what it says in one way.
    const answer = await call(body as B, key);
    this.#sent.delete(text);
    return answer;
  }
}

/** The keys of one component. */
export function useSentOnce(): SentOnce {
  const [sentOnce] = useState(() => new SentOnce());
  return sentOnce;
}
