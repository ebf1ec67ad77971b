/** API → another API process, request and reply: does this call, which reserved its idempotency key, still run there? */
export interface CallStatusRequest {
  readonly t: 'call_status';
  readonly call: string;
}

export interface CallStatus {
  readonly t: 'call_status_is';
  readonly isRunning: boolean;
}
