import { useState } from 'react';

/**
 * Idempotency keys of what one form sends. A key belongs to what is sent: who presses again after an answer was lost sends the same key, and
 * the server does it once. After an answer the next one is another.
 */
export class SentOnce {
  readonly #keys = new Map<string, string>();

  async send<T>(content: unknown, call: (idempotencyKey: string) => Promise<T>): Promise<T> {
    const text = JSON.stringify(content);
    const key = this.#keys.get(text) ?? crypto.randomUUID();
    this.#keys.set(text, key);
    const answer = await call(key);
    this.#keys.delete(text);
    return answer;
  }
}

/** The keys of one component. */
export function useSentOnce(): SentOnce {
  const [sentOnce] = useState(() => new SentOnce());
  return sentOnce;
}
