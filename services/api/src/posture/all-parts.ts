import { AppError } from '@muster/protocol';

interface Part<T> {
  readonly items: readonly T[];
  /** There are more. A service of the version before may leave it out, and gives the whole at once. */
  readonly isCut: boolean | undefined;
}

/**
 * Every item of a list that comes in parts, each part after the last item of the one before.
 * @throws AppError as {@link hasMore} does
 */
export async function allParts<T>(next: (last: T | undefined) => Promise<Part<T>>): Promise<T[]> {
  const all: T[] = [];
  for (;;) {
    const part = await next(all.at(-1));
    all.push(...part.items);
    if (!hasMore(part, all.length)) return all;
  }
}

/**
 * Whether there is more of a list after this part. `place`: where the part begins, for the message.
 * @throws AppError `internal` when the part is empty and there are more: what is not told must not pass for what is not there
 */
export function hasMore({ items, isCut }: Part<unknown>, place: number): boolean {
  if (isCut !== true) return false;
  if (items.length === 0) throw new AppError('internal', `nothing came after ${place}, though there are more`);
  return true;
}
