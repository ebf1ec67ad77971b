import type { EndpointBandwidthJson, EndpointsBandwidthJson } from '@muster/api-contract';
import { isoTime } from '../http/json-members.js';
import { queryJson } from '../queries/query-json.js';
import { endpointName, failureJson, type EndpointByNum } from '../queries/result-json.js';
import { pollToLive } from './channel-sum.js';
import type { Survey } from './endpoint-survey.js';
import type { EndpointTraffic } from './traffic-aggregator.js';

/** At most this many endpoints without an answer are named; the query has all of them. */
const NAMED = 1_000;

/** The counts of endpoints: the sum, the largest, and the endpoints that did not answer. */
export function endpointsJson(
  { record, traffic, failures }: Survey,
  top: number,
  byNum: EndpointByNum,
): EndpointsBandwidthJson {
  return {
    query: queryJson(record),
    total: traffic.total(),
    endpoints: traffic.top(top).map((endpoint) => endpointJson(endpoint, byNum)),
    missing: failures.slice(0, NAMED).map((failure) => failureJson(failure, byNum)),
  };
}

function endpointJson(endpoint: EndpointTraffic, byNum: EndpointByNum): EndpointBandwidthJson {
  const { num, bytes, sinceMs, channels } = endpoint;
  const [live, poll, enrol] = (['live', 'poll', 'enrol'] as const).map((channel) => {
    const sum = channels.get(channel);
    return sum === undefined ? undefined : { connections: endpoint.connections.get(channel) ?? 0, ...sum.json() };
  });
  const [liveSum, pollSum] = [channels.get('live'), channels.get('poll')];
  return {
    ...endpointName(num, byNum),
    since: isoTime(sinceMs),
    bytes,
    live,
    poll,
    enrol,
    pollToLive: liveSum === undefined || pollSum === undefined ? null : pollToLive(liveSum, pollSum),
  };
}
