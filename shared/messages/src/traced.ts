/**
 * What a message carries of a trace: of one query or command, never of a frame. It is part of the body, because headers
 * of NATS are slow.
 */
export interface Traced {
  /** W3C Trace Context, version 00. Absent: nothing is recorded. */
  readonly traceparent?: string;
}

/** The attributes of a span that sends or takes a message. `family` is a subject without ids. */
export function messagingAttributes(family: string): {
  'messaging.system': 'nats';
  'messaging.destination.name': string;
} {
  return { 'messaging.system': 'nats', 'messaging.destination.name': family };
}

/** The member of a message or a record that makes it a part of this span; nothing when the span is not recorded. */
export function traced({ traceparent }: { readonly traceparent: string | undefined }): Traced {
  return traceparent === undefined ? {} : { traceparent };
}
