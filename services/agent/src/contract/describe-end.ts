import type { ConnectionEnd } from './session-connection.js';

/** How a connection ended, as fields of a line of the log. */
export function describeEnd(end: ConnectionEnd): Record<string, unknown> {
  switch (end.kind) {
    case 'closed':
      return { code: end.code, reason: end.reason };
    case 'abandoned':
      return { why: end.why };
    case 'refused':
      return { status: end.refusal.status };
    case 'failed':
      return { err: end.error };
  }
}
