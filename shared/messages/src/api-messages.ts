/** API → another API process, request and reply: does this call, which reserved its idempotency key, still run there? */
export interface CallStatusRequest {
  readonly t: 'call_status';
  readonly call: string;
}

export interface CallStatus {
  readonly t: 'call_status_is';
  readonly isRunning: boolean;
}

/** API → the API process that has a multiplexed stream open, request and reply: add and remove subscriptions. */
export interface StreamChange {
  readonly t: 'stream_change';
  readonly stream: string;
  /** Whose stream it must be. */
  readonly owner: string;
  /** As the schema of the REST interface has read them. */
  readonly add: readonly Readonly<Record<string, unknown>>[];
  readonly remove: readonly string[];
}

export interface StreamChanged {
  readonly t: 'stream_changed';
  readonly result: 'changed' | 'unknown' | 'too_many';
  readonly subscriptions: readonly string[];
}
