import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { StreamError } from './stream-store.js';

/**
 * Whether the server stores what is beyond the limit of an account before it refuses and removes it, as nats-server did
 * before 2.10. By then the older entry of a stream with one entry per subject is gone, and the subject has forgotten
 * which of its entries is the newest (`findNewest`).
 */
export function losesBeyondLimit({ info }: Pick<NatsConnection, 'info'>): boolean {
  const [, major = 0, minor = 0] = /^(\d+)\.(\d+)\./.exec(info?.version ?? '')?.map(Number) ?? [];
  return major < 2 || (major === 2 && minor < 10);
}

/**
 * An account that does not tell its limit, because its user may not ask, is taken for one without.
 * @throws StreamError `invalid` when the account has a limit and the server loses entries at it.
 */
export async function refuseLosingLimit(nc: NatsConnection, jsm: JetStreamManager): Promise<void> {
  if (!losesBeyondLimit(nc)) return;
  const info = await jsm.getAccountInfo().catch(() => undefined);
  if (info !== undefined && info.limits.max_storage > 0) throw new StreamError('invalid', losingLimit(nc));
}

/** What is wrong, and what to do. */
export function losingLimit({ info }: Pick<NatsConnection, 'info'>): string {
  return (
    `nats-server ${info?.version ?? ''} loses entries when an account reaches its storage limit: ` +
    'remove the limit of the account and set max_file_store, or use nats-server 2.10 or later'
  );
}
