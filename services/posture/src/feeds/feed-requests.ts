import type { ChangeTerms, FeedRequest, PostureReply } from '@muster/messages';
import { LIMITS, AppError } from '@muster/protocol';
import type { FeedLibrary } from './feed-library.js';
import { readPart } from './read-part.js';

/** How many parts are read at once: each takes some megabytes. */
const PARTS_AT_ONCE = 2;

/** What the API may ask about feeds. */
export class FeedRequests {
  readonly #feeds: FeedLibrary;
  #reading = 0;

  constructor(feeds: FeedLibrary) {
    this.#feeds = feeds;
  }

  /** @throws AppError, StreamError */
  async handle(request: FeedRequest & ChangeTerms): Promise<PostureReply> {
    const feeds = this.#feeds;
    const { org } = request;
    switch (request.t) {
      case 'list_feeds':
        return {
          t: 'feeds',
          feeds: feeds.list(org).map(({ ecosystems, faults, ...feed }) => ({
            ...{ ...feed, ecosystems: ecosystems.length, faults: faults.slice(0, 3) },
          })),
        };
      case 'show_feed': {
        const feed = feeds.find(org, request.name);
        const versions = await feeds.versions(org, request.name);
        return { t: 'feed', feed, versions: versions.map((one) => ({ ...one, ecosystems: [], faults: [] })) };
      }
      case 'begin_feed':
        return { t: 'feed_begun', upload: await feeds.begin(org, request.name, request.kind, request) };
      case 'store_feed_part':
        return this.#storePart(request);
      case 'end_feed': {
        const { name, upload, parts, by } = request;
        const feed = await feeds.end({ org, name, upload, parts, by });
        return { t: 'feed', feed, versions: [] };
      }
      case 'delete_feed':
        await feeds.delete(org, request.name, request.by, request);
        return { t: 'feed_deleted' };
    }
  }

  async #storePart(request: FeedRequest & { readonly t: 'store_feed_part' }): Promise<PostureReply> {
    const { org, name, upload, part: index, data, refused, faults } = request;
    if (!Number.isInteger(index) || index < 0 || index >= LIMITS.feedParts)
      throw new AppError('bad_feed', `a feed has at most ${LIMITS.feedParts} parts`);
    if (this.#reading >= PARTS_AT_ONCE)
      throw new AppError('rate_limited', 'other parts are being read; try again', { details: { retryAfterMs: 500 } });
    this.#reading += 1;
    try {
      const open = await this.#feeds.open(org, name, upload);
      const part = await readPart({ kind: open.kind, index, data, refused, faults });
      await this.#feeds.storePart(open, part);
      const { records, withdrawn, refused: all, faults: told } = part;
      return { t: 'feed_part', counts: { records, withdrawn, refused: all, faults: told } };
    } finally {
      this.#reading -= 1;
    }
  }
}
