import { createHmac } from 'node:crypto';

/**
 * `Muster-Signature`: `t=<seconds since 1970>,v1=<hex>`, where `v1` is HMAC-SHA256 over `<t>.<body>`. The time is
 * signed too, so that a receiver can refuse what somebody recorded and sends again later.
 */
export function signatureHeader(secret: string, body: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1_000);
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}
