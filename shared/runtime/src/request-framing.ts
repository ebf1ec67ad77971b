export interface RequestFraming {
  /** The values of all `Host` fields. */
  readonly hosts: readonly string[];
  /** The values of all `Content-Length` fields, as a list; undefined without one. */
  readonly length: string | undefined;
  /** The same of `Transfer-Encoding`. */
  readonly coding: string | undefined;
}

/** RFC 9110 §4.2: a name or address, and a port. */
const HOST = /^[\w.~%:[\]-]+$/;
/** A number that stays exact. */
const LENGTH = /^\d{1,15}$/;

/**
 * What is wrong with a request whose end, or whose receiver, a proxy may see elsewhere than its server does (RFC 9112
 * §3.2, §6.1, §6.3). The connection must be closed after such a request, and nothing behind it is a request.
 */
export function framingFault({ hosts, length, coding }: RequestFraming): string | undefined {
  const [host = ''] = hosts;
  if (hosts.length !== 1 || !HOST.test(host)) return 'a request needs exactly one Host';
  if (length !== undefined && coding !== undefined)
    return 'a request has Content-Length or Transfer-Encoding, not both';
  if (length !== undefined && !LENGTH.test(length)) return 'Content-Length must be one number';
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'Transfer-Encoding may be chunked only';
  return undefined;
}
