import type { ApiClient, Call } from './api-client.js';

interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor?: string;
}

/** All items of a cursor-paged list, page after page, up to `limit` of them. A server that reads all for every page is asked for large ones. */
export async function* pagedItems<T>(
  client: ApiClient,
  path: string,
  query: Call['query'],
  limit = Infinity,
  pageSize = PAGE,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  let left = limit;
  do {
    const page = await client.json<Page<T>>(path, { query: { ...query, limit: Math.min(left, pageSize), cursor } });
    for (const item of page.items) {
      if (left <= 0) return;
      left -= 1;
      yield item;
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined && left > 0);
}

const PAGE = 200;
