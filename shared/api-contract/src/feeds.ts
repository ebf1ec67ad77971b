import { FEED_KINDS, LIMITS } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { count, label, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';

const feedName = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'is not the name of a feed: small letters, digits and hyphens');
const uploadId = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/, 'is not the id of an upload');
const kind = z.enum(FEED_KINDS).meta({
  description:
    '`osv`: vulnerabilities. `epss`: how probable it is that they are exploited. `kev`: those that are exploited. `vex`: statements that one does not count, with an end.',
});

const feedVersionFields = {
  upload: z.string().meta({ description: 'Names the version.' }),
  kind,
  records: count,
  withdrawn: count.meta({ description: 'Records that their source took back; they match nothing.' }),
  refused: count.meta({
    description: 'What could not be read. When there are any, no package counts as not vulnerable by this feed.',
  }),
  faults: z.array(z.string()).meta({ description: 'The first of what could not be read, and why.' }),
  bytes: count.meta({ description: 'As they are kept.' }),
  newestRecordAt: timestamp.optional().meta({ description: 'The newest change of a record, as the records say.' }),
  importedAt: timestamp,
  importedBy: z.object({ id: z.string(), name: z.string() }),
};
const feedSchema = z
  .object({ name: z.string(), ...feedVersionFields, ecosystems: count.meta({ description: 'How many it knows.' }) })
  .meta({
    id: 'Feed',
    description: 'Records about vulnerabilities that an admin imported; the newest version counts.',
  });
const wholeFeedSchema = z.object({
  name: z.string(),
  ...feedVersionFields,
  ecosystems: z.array(z.string()).meta({ description: 'As OSV names them. A package of any other one is not known.' }),
  versions: z.array(z.object(feedVersionFields)).meta({ description: 'This and the last ones before it.' }),
});

const partSchema = z.object({
  records: count,
  withdrawn: count,
  refused: count,
  faults: z.array(z.string()),
});

const byName = z.object({ name: feedName.meta({ description: "The feed's name." }) });
const ASKED = ['no_posture_service', 'timeout'] as const;
const CHANGING = [...(['bad_feed', 'conflict', 'too_large', 'unsupported_media_type'] as const), ...ASKED] as const;

/** Feeds of vulnerabilities. */
export const feedOperations = defineOperations('feeds', {
  listFeeds: {
    method: 'get',
    path: '/v1/feeds',
    action: 'feed.list',
    summary: 'The feeds that are imported',
    access: 'queries:read',
    answers: { 200: jsonAnswer('All of them, by name.', z.object({ items: z.array(feedSchema) })) },
    problems: ASKED,
  },
  showFeed: {
    method: 'get',
    path: '/v1/feeds/{name}',
    action: 'feed.show',
    summary: 'A feed: its ecosystems, its faults and its last versions',
    access: 'queries:read',
    params: byName,
    answers: { 200: jsonAnswer('The feed.', wholeFeedSchema) },
    problems: ['not_found', ...ASKED],
  },
  beginFeedUpload: {
    method: 'post',
    path: '/v1/feeds/{name}/uploads',
    action: 'feed.upload',
    audited: true,
    summary: 'Begin a new version of a feed',
    description:
      'Then its records go in parts to `PUT /v1/feeds/{name}/parts`, and `POST /v1/feeds/{name}/versions` ends it. Until then the version before counts. A second upload of one name ends the first.',
    access: 'feeds:manage',
    params: byName,
    body: z.strictObject({ kind }),
    answers: { 201: jsonAnswer('Its id.', z.object({ upload: uploadId })) },
    problems: CHANGING,
  },
  putFeedPart: {
    method: 'put',
    path: '/v1/feeds/{name}/parts',
    action: 'feed.part',
    summary: 'Records of a version, one part after the other',
    description: 'A part may be sent again: it is kept once.',
    access: 'feeds:manage',
    params: byName,
    body: z.strictObject({
      upload: uploadId,
      part: z
        .int()
        .min(0)
        .max(LIMITS.feedParts - 1)
        .meta({ description: 'Its number, from 0 on without a gap.' }),
      data: z
        .string()
        .max(Math.ceil(LIMITS.feedPartBytes / 3) * 4)
        .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'is not base64')
        .meta({
          description: `Base64 of compressed (raw deflate) JSON objects, one after another. At most ${LIMITS.feedPartBytes} bytes, and ${LIMITS.feedPartTextBytes} when it is unpacked.`,
        }),
      refused: count.max(1_000_000).optional().meta({
        description: 'What the caller could not read and left out. It counts as refused.',
      }),
      faults: z.array(label(300)).max(20).optional().meta({ description: 'Why.' }),
    }),
    answers: { 200: jsonAnswer('What of it can be read.', partSchema) },
    problems: ['not_found', ...CHANGING],
  },
  endFeedUpload: {
    method: 'post',
    path: '/v1/feeds/{name}/versions',
    action: 'feed.import',
    audited: true,
    summary: 'End an upload: from now on this version counts',
    access: 'feeds:manage',
    params: byName,
    body: z.strictObject({ upload: uploadId, parts: z.int().min(1).max(LIMITS.feedParts) }),
    answers: { 201: jsonAnswer('The feed.', feedSchema) },
    problems: ['not_found', ...CHANGING],
  },
  deleteFeed: {
    method: 'delete',
    path: '/v1/feeds/{name}',
    action: 'feed.delete',
    audited: true,
    summary: 'Delete a feed with all its versions',
    description: 'What scans found with it stays. Later ones do not know what only this feed knew.',
    access: 'feeds:manage',
    params: byName,
    answers: { 204: { description: 'It is gone.' } },
    problems: ['not_found', 'conflict', ...ASKED],
  },
});

export type FeedJson = Json<typeof feedSchema>;
export type WholeFeedJson = Json<typeof wholeFeedSchema>;
export type FeedPartJson = Json<typeof partSchema>;
