/** Every item of a list that comes in parts by id. A service of the version before gives it whole at once. */
export async function allParts<T extends { readonly id: string }>(
  next: (after: string) => Promise<{ readonly items: readonly T[]; readonly isCut: boolean | undefined }>,
): Promise<T[]> {
  const all: T[] = [];
  for (let more = true; more;) {
    const { items, isCut } = await next(all.at(-1)?.id ?? '');
    all.push(...items);
    more = isCut === true && items.length > 0;
  }
  return all;
}
