import type { ChannelCounters, TrafficCounters } from '@muster/messages';
import { TRAFFIC_PURPOSES, type ByteCounts } from '@muster/protocol';
import type { FleetBandwidthJson } from '@muster/api-contract';
import { isoTime } from '../http/json-members.js';
import { ChannelSum, type UpAndDown } from './channel-sum.js';
import type { GatewaySurvey } from './gateway-survey.js';

type CountersJson = Omit<FleetBandwidthJson['fleet'], 'gateways'>;

/** The gateways' counters: the sum, and each gateway. */
export function fleetJson({ answers, isInDoubt }: GatewaySurvey, nowMs: number): FleetBandwidthJson {
  const reports = answers.flatMap((answer) => (answer.state === 'answered' ? [answer.report] : []));
  return {
    measuredAt: isoTime(nowMs),
    fleet: {
      gateways: { asked: answers.length, answered: reports.length, ...(isInDoubt ? { inDoubt: true } : {}) },
      ...countersJson(reports),
    },
    gateways: answers.map((answer) =>
      answer.state === 'answered'
        ? {
            id: answer.id,
            state: answer.state,
            startedAt: isoTime(answer.report.startedAtMs),
            ...countersJson([answer.report]),
          }
        : { id: answer.id, state: answer.state },
    ),
  };
}

function countersJson(reports: readonly TrafficCounters[]): CountersJson {
  const sockets = reports.map((report) => report.sockets);
  const seen = sockets.filter(({ measured }) => measured === 'sockets');
  return {
    live: channelOf(reports.map((report) => report.live)),
    poll: channelOf(reports.map((report) => report.poll)),
    enrol: upAndDown(reports.map(({ enrol }) => enrol)),
    sockets: {
      measured: seen.length === 0 ? 'frames' : seen.length === sockets.length ? 'sockets' : 'partly',
      ...upAndDown(seen),
      missed: seen.reduce((sum, { missed }) => sum + missed, 0),
    },
  };
}

function channelOf(reports: readonly ChannelCounters[]) {
  const sum = new ChannelSum();
  let endpoints = 0;
  for (const { sessions, seconds, purposes } of reports) {
    endpoints += sessions;
    sum.seconds += seconds;
    for (const purpose of TRAFFIC_PURPOSES) sum.add(purpose, upAndDown([purposes[purpose] ?? []].flat()));
  }
  return { endpoints, ...sum.json() };
}

/** Bytes into a gateway are bytes up from endpoints. */
function upAndDown(counts: readonly ByteCounts[]): UpAndDown {
  const sum = { bytesUp: 0, bytesDown: 0 };
  for (const { bytesIn, bytesOut } of counts) {
    sum.bytesUp += bytesIn;
    sum.bytesDown += bytesOut;
  }
  return sum;
}
