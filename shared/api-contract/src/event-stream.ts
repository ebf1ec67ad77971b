import { z } from 'zod';
import { seq } from './paging.js';

/** The media types of event streams. `data` of server-sent events is the same object as a line of NDJSON. */
export const EVENT_TYPES = { sse: 'text/event-stream', ndjson: 'application/x-ndjson' } as const;
export type EventFormat = keyof typeof EVENT_TYPES;

/** The broker does not answer, so that nobody knows how it stands. The stream stays open, and its next event says that it goes on. */
export const stalledEventSchema = z
  .object({ event: z.literal('stalled'), seq, code: z.literal('broker_unavailable'), message: z.string() })
  .meta({ description: 'Said once, within 3 s; the stream stays open, and goes on with the next event.' });
