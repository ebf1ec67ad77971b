import type { Harness } from '../../kit/harness.js';
import type { Attempt } from '../record/observations.js';

/** Longer than any request may take, so that the answer's own time is seen. */
const GIVE_UP_MS = 120_000;

export interface Post {
  readonly path: string;
  readonly body: object;
  readonly key: string;
  readonly beside?: boolean;
  readonly waitMs?: number;
}

/** Sends one request that makes something. Never throws: what became of it is its result, with the answer's JSON where there is one. */
export async function post(
  { api }: Harness,
  { path, body, key, beside, waitMs }: Post,
): Promise<{ readonly attempt: Attempt; readonly answer?: unknown }> {
  const fromMs = Date.now();
  const how = { ...(beside === true && { beside }), ...(waitMs !== undefined && { waitMs }) };
  try {
    const headers = { 'idempotency-key': key };
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    const response = await api.fetch(path, { method: 'POST', body, headers, signal });
    // Not `json()`: under Jest its objects are of another realm, and equal to none of this one.
    const answer = JSON.parse(await response.text()) as { id?: string; code?: string; detail?: string };
    const times = { fromMs, toMs: Date.now(), status: response.status, ...how };
    if (response.ok) return { attempt: { ...times, ...(answer.id !== undefined && { id: answer.id }) }, answer };
    const { code, detail } = answer;
    return { attempt: { ...times, ...(code !== undefined && { code }), ...(detail !== undefined && { detail }) } };
  } catch (error) {
    const { message, cause } = error as Error;
    const broke = cause instanceof Error ? `${message}: ${cause.message}` : message;
    return { attempt: { fromMs, toMs: Date.now(), broke, ...how } };
  }
}
