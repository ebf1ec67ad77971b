import { encodeCborUnsorted } from '@muster/protocol';

/** What the items of one reply may take; the broker takes 1 MB. */
const REPLY_BYTES = 512 * 1024;

/** As many from the beginning as one reply holds, at least one. */
export function cutToReply<T>(
  items: readonly T[],
  most = items.length,
): { readonly shown: T[]; readonly isCut: boolean } {
  const shown: T[] = [];
  let bytes = 0;
  for (const item of items.slice(0, most)) {
    bytes += encodeCborUnsorted(item).length;
    if (shown.length > 0 && bytes > REPLY_BYTES) break;
    shown.push(item);
  }
  return { shown, isCut: shown.length < items.length };
}

/** A part of a list whose items have an id: those after `after` by id. Without it, whole as it comes, for who does not know of parts. */
export function partOf<T extends { readonly id: string }>(items: readonly T[], after: string | undefined) {
  if (after === undefined) return cutToReply(items);
  return cutToReply(items.filter(({ id }) => id > after).sort((a, b) => (a.id < b.id ? -1 : 1)));
}
