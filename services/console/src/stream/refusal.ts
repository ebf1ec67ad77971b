import type { StreamEvent } from './protocol.js';

/** Why a subscription was refused; undefined for every other event. */
export function refusalOf({ event, problem }: StreamEvent): string | undefined {
  if (event !== 'refused') return undefined;
  const { detail } = (problem ?? {}) as { readonly detail?: string };
  return detail ?? 'the stream was refused';
}
