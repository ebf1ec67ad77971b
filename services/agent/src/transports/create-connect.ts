import type { Clock, Logger } from '@muster/runtime/program';
import { liveUrl, pollUrl } from '../config.js';
import type { Way } from '../network/dialer.js';
import type { TrafficMeter } from '../traffic/traffic-meter.js';
import { LiveConnection } from './live-connection.js';
import { PollConnection } from './poll-connection.js';
import type { PollPlace } from './poll-conversation.js';
import type { Connect } from '../contract/session-connection.js';

export interface ConnectOptions {
  readonly way: Way;
  readonly meter: TrafficMeter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Opens sessions over both channels. */
export function createConnect({ way, meter, ...options }: ConnectOptions): Connect {
  return ({ gateway, otherGateways, mode, ...request }, events) => {
    const common = { ...options, ...request, ca: way.ca, traffic: meter.session(mode) };
    if (mode === 'live') {
      const url = liveUrl(gateway);
      return new LiveConnection({ ...common, url, agent: way.agentFor(url, mode) }, events);
    }
    const place = (at: string): PollPlace => ({ url: pollUrl(at), agent: way.keepingAgentFor(pollUrl(at), mode) });
    return new PollConnection({ ...common, places: [place(gateway), ...otherGateways.map(place)] }, events);
  };
}
