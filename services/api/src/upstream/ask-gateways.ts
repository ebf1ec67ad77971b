import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS, type GatewayRequest } from '@muster/messages';
import { AppError, type GatewayId } from '@muster/protocol';
import type { GatewayLease, PresenceDoubt, Registry } from '@muster/registry';
import { nothingDone } from '@muster/service-base';

/** The answer of one gateway. `no_answer`: it has a lease, but did not answer in time, or not to this. `gone`: it no longer listens. */
export type AskedGateway<R> = { readonly id: string; readonly lease: GatewayLease } & (
  { readonly state: 'answered'; readonly report: R } | { readonly state: 'no_answer' | 'gone' }
);

export interface AskedGateways<R> {
  readonly answers: readonly AskedGateway<R>[];
  /** There may be gateways that were not asked: the registry has forgotten them, and they have not renewed their leases yet. */
  readonly isInDoubt: boolean;
}

export interface GatewayParts {
  readonly bus: Pick<Bus, 'request'>;
  readonly registry: Pick<Registry, 'gateways' | 'lease'>;
  readonly doubt: Pick<PresenceDoubt, 'isInDoubt'>;
}

const WITHIN_MS = 3_000;

/** A lease that lapsed so long ago may be that of a gateway that goes on: the broker was away. */
const LAPSED_MS = 120_000;

/**
 * Asks all gateways with a lease, or that have lost theirs without a goodbye. `read` says what an answer is,
 * `undefined` for another one than was asked for. Throws `registry_unavailable`, `broker_unavailable`.
 */
export async function askGateways<R>(
  { bus, registry, doubt }: GatewayParts,
  request: GatewayRequest,
  read: (data: Uint8Array) => R | undefined,
  withinMs = WITHIN_MS,
): Promise<AskedGateways<R>> {
  const [leased, lapsed] = [await registry.gateways(), await registry.lease.lapsed(LAPSED_MS)];
  if (leased.kind === 'unavailable' || lapsed.kind === 'unavailable') {
    throw new AppError('registry_unavailable', 'nobody knows now which gateways there are; try again in a moment', {
      details: { retryAfterMs: 1_000 },
      cause: leased.kind === 'unavailable' ? leased.cause : undefined,
    });
  }
  const isInDoubt = await doubt.isInDoubt();
  const leases = new Map([...lapsed.gateways, ...leased.gateways].map((lease) => [lease.gatewayId, lease]));
  const question = encodeBusMessage(request);
  const answers = [...leases].map(async ([id, lease]): Promise<AskedGateway<R>> => {
    const result = await bus.request(SUBJECTS.gateway(id as GatewayId), question, { timeoutMs: withinMs });
    if (result.kind === 'disconnected') throw nothingDone();
    if (result.kind !== 'reply') return { id, lease, state: result.kind === 'no_responders' ? 'gone' : 'no_answer' };
    const report = read(result.data);
    return report === undefined ? { id, lease, state: 'no_answer' } : { id, lease, state: 'answered', report };
  });
  return { answers: (await Promise.all(answers)).toSorted((a, b) => (a.id < b.id ? -1 : 1)), isInDoubt };
}
