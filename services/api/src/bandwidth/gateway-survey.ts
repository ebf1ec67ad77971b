import type { Bus } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type TrafficCounters } from '@muster/messages';
import { AppError, type GatewayId } from '@muster/protocol';
import type { PresenceDoubt, Registry } from '@muster/registry';
import { nothingDone } from '@muster/service-base';

/** The answer of one gateway. `no_answer`: it has a lease, but did not answer in time. `gone`: it no longer listens. */
export type GatewayAnswer =
  | { readonly id: string; readonly state: 'answered'; readonly report: TrafficCounters }
  | { readonly id: string; readonly state: 'no_answer' | 'gone' };

export interface GatewaySurvey {
  readonly answers: readonly GatewayAnswer[];
  /** There may be gateways that were not asked: the registry has forgotten them, and they have not renewed their leases yet. */
  readonly isInDoubt: boolean;
}

const WITHIN_MS = 3_000;

/** A lease that lapsed so long ago may be that of a gateway that goes on: the broker was away. */
const LAPSED_MS = 120_000;

/** Asks all gateways with a lease, or that have lost theirs without a goodbye, for their counters. Throws `registry_unavailable`, `broker_unavailable`. */
export async function surveyGateways(
  bus: Pick<Bus, 'request'>,
  registry: Pick<Registry, 'gateways' | 'lease'>,
  doubt: Pick<PresenceDoubt, 'isInDoubt'>,
  withinMs = WITHIN_MS,
): Promise<GatewaySurvey> {
  const [leased, lapsed] = [await registry.gateways(), await registry.lease.lapsed(LAPSED_MS)];
  if (leased.kind === 'unavailable' || lapsed.kind === 'unavailable') {
    throw new AppError('registry_unavailable', 'nobody knows now which gateways there are; try again in a moment', {
      details: { retryAfterMs: 1_000 },
      cause: leased.kind === 'unavailable' ? leased.cause : undefined,
    });
  }
  const isInDoubt = await doubt.isInDoubt();
  const ids = new Set([...leased.gateways, ...lapsed.gateways].map(({ gatewayId }) => gatewayId));
  const question = encodeBusMessage({ t: 'traffic' });
  const answers = [...ids].map(async (id): Promise<GatewayAnswer> => {
    const result = await bus.request(SUBJECTS.gateway(id as GatewayId), question, { timeoutMs: withinMs });
    if (result.kind === 'disconnected') throw nothingDone();
    if (result.kind !== 'reply') return { id, state: result.kind === 'no_responders' ? 'gone' : 'no_answer' };
    const report = decodeBusMessage<TrafficCounters>(result.data, 'traffic');
    return report === undefined ? { id, state: 'no_answer' } : { id, state: 'answered', report };
  });
  return { answers: (await Promise.all(answers)).toSorted((a, b) => (a.id < b.id ? -1 : 1)), isInDoubt };
}
