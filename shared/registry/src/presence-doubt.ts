import type { Leases } from './registry.js';

/** After messages did not get through gateways renew their leases within this time. */
const SETTLE_MS = 15_000;
/** How long an agent needs at most to leave a gateway that fell silent, and to get in elsewhere. */
const MOVED_MS = 120_000;

/**
 * Whether the registry may take connected agents for gone. Gateways renew their leases only while the broker carries their messages, so
 * that leases lapse while it does not, and their sessions go on. `heardForMs`: for how long messages have got through to the caller, 0
 * when they do not.
 */
export async function isPresenceInDoubt(leases: Pick<Leases, 'lapsed'>, heardForMs: number): Promise<boolean> {
  if (heardForMs >= SETTLE_MS) return false;
  const lapsed = await leases.lapsed(MOVED_MS);
  return lapsed.kind === 'unavailable' || lapsed.gateways.length > 0;
}
