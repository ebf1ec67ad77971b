import type { AgentId, ErrorCode, OrgId, TelemetryServiceId } from '@muster/protocol';
import type { FailingRule, HealthState } from '@muster/records';

/**
 * Requests of the API to telemetry services, and the replies. Each service answers for the partitions that it owns. The
 * API asks all that it hears (`SUBJECTS.telemetryService`) and joins their replies: it is exact when their `partitions`
 * are all there are, each once, and none is `filling`. For one endpoint it asks the owner of its partition
 * (`SUBJECTS.latestMetrics`).
 */
export type TelemetryRequest =
  | { readonly t: 'latest_metrics'; readonly org: OrgId; readonly agentId: AgentId }
  | (FleetScope & {
      readonly t: 'fleet_metrics';
      /** One distribution for each value of this: `os`, `health`, or a label that telemetry services count by. Absent: one of all. */
      readonly by?: string;
    })
  | (FleetScope & { readonly t: 'fleet_top'; readonly by: TopVital; readonly limit: number })
  /** The health of all endpoints of an org, for selectors. */
  | { readonly t: 'health_states'; readonly org: OrgId }
  | (FleetScope & {
      readonly t: 'health_list';
      /** Only these states. */
      readonly states?: readonly HealthState[];
      readonly limit: number;
      /** The last identity number of the page before. */
      readonly after?: number;
    });

/** The endpoints that are meant: those of an org that match both selectors. `mode` is not known here and matches nothing. */
export interface FleetScope {
  readonly org: OrgId;
  readonly selector: string;
  /** The operator's own selector, joined to `selector` by AND. */
  readonly bound?: string;
}

/** What the fleet can be sorted by. `disk` is how full the fullest file system is, `disk_io` and `network` are bytes a second. */
export const TOP_VITALS = ['cpu', 'memory', 'disk', 'load', 'disk_io', 'network'] as const;
export type TopVital = (typeof TOP_VITALS)[number];

/**
 * Numbers of one endpoint; what is not known is left out. Units as in {@link TOP_VITALS}; shares from 0 to 1; `clock`
 * in seconds ahead; `agent` in processors.
 */
export type EndpointVitals = Readonly<Partial<Record<TopVital | 'clock' | 'agent', number>>>;

/** Which part of the fleet a reply is about. */
export interface Coverage {
  readonly instance: TelemetryServiceId;
  /** The partitions that this instance owns. */
  readonly partitions: readonly number[];
  /** Those of them that it took over, and of which not every gateway has said that it sent its keyframes. */
  readonly filling: readonly number[];
}

export interface EndpointHealth {
  readonly state: HealthState;
  /** Since when, Unix milliseconds. */
  readonly sinceMs: number;
  /** The rules that make it so, with the values of the newest sample. */
  readonly rules: readonly FailingRule[];
}

export interface LatestMetrics extends Coverage {
  readonly t: 'latest_metrics';
  readonly partition: number;
  /** Absent: no sample is known. */
  readonly sample?: {
    /** The values are those of `decodeDelta(delta, decodeKeyframe(keyframe))`, or of the keyframe alone; see `sampleValues`. */
    readonly keyframe: Uint8Array;
    readonly delta?: Uint8Array;
    /** The session that sent it. */
    readonly epoch: number;
    /** When the gateway received it, Unix milliseconds, and how long it has been here. */
    readonly receivedMs: number;
    readonly ageMs: number;
    readonly vitals: EndpointVitals;
  };
  readonly health?: EndpointHealth;
}

/** `counts` has one number more than `bounds`: how many values are at most the bound and above the one before, and the rest. */
export interface Distribution {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface FleetMetrics extends Coverage {
  readonly t: 'fleet_metrics';
  readonly groups: readonly {
    /**
     * The value of the label, `none` where an endpoint has none, `other` where it is not one that is counted; empty
     * where no label was asked for.
     */
    readonly value: string;
    readonly endpoints: number;
    readonly vitals: Readonly<Record<string, Distribution>>;
  }[];
}

export interface EndpointRow {
  readonly num: number;
  readonly agentId: AgentId;
  readonly vitals: EndpointVitals;
  readonly ageMs: number;
  readonly health?: EndpointHealth;
}

export interface FleetTop extends Coverage {
  readonly t: 'fleet_top';
  /** How many endpoints match; those of them that do not know the value are in no row. */
  readonly endpoints: number;
  /** The largest first. */
  readonly rows: readonly EndpointRow[];
}

export interface HealthList extends Coverage {
  readonly t: 'health_list';
  /** How many of the endpoints that match are in each state, whatever `states` asks for. */
  readonly counts: Readonly<Record<HealthState, number>>;
  /** By number; `isCut` says that there are more. */
  readonly rows: readonly (Pick<EndpointRow, 'num' | 'agentId'> & { readonly health: EndpointHealth })[];
  readonly isCut: boolean;
}

/** Number sets. An endpoint that is in none of them sends no samples, and its health is not known. */
export interface HealthStates extends Coverage {
  readonly t: 'health_states';
  readonly states: Readonly<Record<HealthState, Uint8Array>>;
}

export type TelemetryReply =
  | HealthStates
  | LatestMetrics
  | FleetMetrics
  | FleetTop
  | HealthList
  | {
      readonly t: 'problem';
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    };
