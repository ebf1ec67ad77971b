import { operations, type FeedJson } from '@muster/api-contract';
import type { FeedSummary } from '@muster/messages';
import { AppError } from '@muster/protocol';
import type { FeedRecord } from '@muster/records';
import { given, isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { Principal } from '../http/principal.js';
import type { PostureClient } from '../upstream/posture-client.js';

/** Feeds of vulnerabilities. They are the whole org's: who changes one must not be bounded by a selector. */
export function feedOperations(client: PostureClient): Operation[] {
  return [
    implement(operations.listFeeds, async ({ principal: { org } }) => {
      const { feeds } = await client.ask({ t: 'list_feeds', org }, 'feeds');
      return json(200, { items: feeds.map(feedJson) });
    }),
    implement(operations.showFeed, async ({ principal: { org }, params: { name } }) => {
      const { feed, versions } = await client.ask({ t: 'show_feed', org, name }, 'feed');
      const { ecosystems } = feed;
      return json(200, { name, ...versionJson(feed), ecosystems, versions: versions.map(versionJson) });
    }),
    implement(operations.beginFeedUpload, async ({ principal, params: { name }, body: { kind }, note }) => {
      note({ subject: name, details: { kind } });
      const org = orgOf(principal);
      const { upload } = await client.ask({ t: 'begin_feed', org, name, kind }, 'feed_begun');
      return json(201, { upload });
    }),
    implement(operations.putFeedPart, async ({ principal, params: { name }, body }) => {
      const { upload, part, data, refused = 0, faults = [] } = body;
      const request = { org: orgOf(principal), name, upload, part, refused, faults, data: Buffer.from(data, 'base64') };
      const { counts } = await client.ask({ t: 'store_feed_part', ...request }, 'feed_part');
      return json(200, counts);
    }),
    implement(operations.endFeedUpload, async ({ principal, params: { name }, body: { upload, parts }, note }) => {
      note({ subject: name });
      const by = { id: principal.id, name: principal.name };
      const { feed } = await client.ask({ t: 'end_feed', org: orgOf(principal), name, upload, parts, by }, 'feed');
      const { kind, records, refused, ecosystems } = feed;
      note({ subject: name, details: { kind, records, refused } });
      return json(201, feedJson({ ...feed, ecosystems: ecosystems.length }));
    }),
    implement(operations.deleteFeed, async ({ principal, params: { name }, note }) => {
      note({ subject: name });
      const by = { id: principal.id, name: principal.name };
      await client.ask({ t: 'delete_feed', org: orgOf(principal), name, by }, 'feed_deleted');
      return json(204, undefined);
    }),
  ];
}

/** @throws AppError `forbidden` for whom a selector bounds */
function orgOf({ org, bound }: Principal) {
  if (bound.length === 0) return org;
  throw new AppError('forbidden', 'feeds count for all endpoints of the org: this needs an admin without a selector');
}

function feedJson({ ecosystems, ...feed }: FeedSummary): FeedJson {
  return { name: feed.name, ...versionJson(feed), ecosystems };
}

function versionJson(feed: Omit<FeedRecord, 'ecosystems'>) {
  const { upload, kind, records, withdrawn, refused, faults, bytes, newestMs, atMs, by } = feed;
  return {
    ...{ upload, kind, records, withdrawn, refused, faults, bytes, importedAt: isoTime(atMs), importedBy: by },
    ...given('newestRecordAt', newestMs === undefined ? undefined : isoTime(newestMs)),
  };
}
