/** Pages that are read at most: for each the server reads the journals of many commands. */
const MAX_PAGES = 3;

interface Page<Item> {
  readonly items: readonly Item[];
  /** There are older ones that nobody has looked at. */
  readonly nextCursor?: string | undefined;
}

/** The first page that has something, of the newest ones. A page may be empty although older ones are not. */
export async function firstFilled<Item>(
  read: (cursor: string | undefined) => Promise<Page<Item>>,
): Promise<Page<Item>> {
  let page = await read(undefined);
  for (let pages = 1; page.items.length === 0 && page.nextCursor !== undefined && pages < MAX_PAGES; pages += 1)
    page = await read(page.nextCursor);
  return page;
}

/** What is said where there is none. Some people see only their own commands, so that it never says that nothing was commanded. */
export function noneTitle({ nextCursor }: Pick<Page<unknown>, 'nextCursor'>): string {
  return nextCursor === undefined ? 'No command that you may see names it' : 'None among the newest commands names it';
}
