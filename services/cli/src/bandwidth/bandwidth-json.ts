import type { EndpointName, FailureJson, QueryJson } from '../environment/query-json.js';

/** The API's JSON, as far as the CLI reads it; `/v1/openapi.json` describes all of it. */

/** Up is from endpoints, down is to them. */
export interface UpDownJson {
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export const PURPOSES = ['session', 'heartbeat', 'query', 'command', 'transport'] as const;

export interface ChannelJson extends UpDownJson {
  readonly seconds: number;
  /** Of one endpoint; null while nobody had a session. */
  readonly bytesPerHour: number | null;
  readonly purposes: Readonly<Partial<Record<(typeof PURPOSES)[number], UpDownJson>>>;
}

export interface ChannelsJson {
  readonly live: ChannelJson & { readonly endpoints: number };
  readonly poll: ChannelJson & { readonly endpoints: number };
  readonly enrol: UpDownJson;
  /** Of what endpoints count: gateways know frames by channel, which leave out most of what Poll costs. */
  readonly pollToLive?: number | null;
}

export interface CountersJson extends ChannelsJson {
  readonly sockets: UpDownJson & { readonly measured: 'sockets' | 'partly' | 'frames'; readonly missed: number };
}

export type GatewayJson =
  | ({ readonly id: string; readonly state: 'answered'; readonly startedAt: string } & CountersJson)
  | { readonly id: string; readonly state: 'no_answer' | 'gone' };

export interface FleetJson {
  readonly measuredAt: string;
  readonly endpoints?: EndpointsJson;
  readonly fleet: CountersJson & { readonly gateways: { readonly asked: number; readonly answered: number } };
  readonly gateways: readonly GatewayJson[];
}

export interface EndpointJson extends EndpointName {
  readonly since: string;
  readonly bytes: number;
  readonly live?: ChannelJson;
  readonly poll?: ChannelJson;
  readonly pollToLive: number | null;
}

export interface EndpointsJson {
  readonly query: QueryJson;
  readonly total: ChannelsJson & { readonly endpoints: number };
  readonly endpoints: readonly EndpointJson[];
  readonly missing: readonly FailureJson[];
}
