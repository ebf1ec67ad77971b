/** The media types of event streams. `data` of server-sent events is the same object as a line of NDJSON. */
export const EVENT_TYPES = { sse: 'text/event-stream', ndjson: 'application/x-ndjson' } as const;
export type EventFormat = keyof typeof EVENT_TYPES;
