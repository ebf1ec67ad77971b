import { decodeBusMessage, type TrafficCounters } from '@muster/messages';
import { askGateways, type AskedGateways, type GatewayParts } from '../upstream/ask-gateways.js';

export type GatewaySurvey = AskedGateways<TrafficCounters>;

/** Asks all gateways for their counters. Throws `registry_unavailable`, `broker_unavailable`. */
export function surveyGateways(parts: GatewayParts, withinMs?: number): Promise<GatewaySurvey> {
  return askGateways(parts, { t: 'traffic' }, (data) => decodeBusMessage<TrafficCounters>(data, 'traffic'), withinMs);
}
