import type { Clock, Logger } from '@muster/runtime/program';
import type { Dialer } from '../network/dialer.js';
import { liveUrl, pollUrl } from '../network/gateway-urls.js';
import type { TrafficMeter } from '../traffic/traffic-meter.js';
import { LiveConnection } from './live-connection.js';
import { PollConnection } from './poll-connection.js';
import type { PollPlace } from './poll-conversation.js';
import type { Connect } from '../contract/session-connection.js';

export interface ConnectOptions {
  readonly dialer: Dialer;
  readonly meter: TrafficMeter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Opens sessions over both transports. */
export function createConnect({ dialer, meter, ...options }: ConnectOptions): Connect {
  return ({ gateway, otherGateways, mode, ...request }, events) => {
    const common = { ...options, ...request, ca: dialer.ca, traffic: meter.session(mode) };
    if (mode === 'live') {
      const url = liveUrl(gateway);
      return new LiveConnection({ ...common, url, agent: dialer.agentFor(url, mode) }, events);
    }
    const place = (at: string): PollPlace => ({ url: pollUrl(at), agent: dialer.keepAliveAgentFor(pollUrl(at), mode) });
    return new PollConnection({ ...common, places: [place(gateway), ...otherGateways.map(place)] }, events);
  };
}
