type Labels = Readonly<Record<string, string>>;

/** An agent in the API's JSON, as far as the CLI reads it. */
export interface AgentJson {
  readonly agentId: string;
  readonly num: number;
  readonly host: string;
  readonly os: string;
  readonly arch: string;
  readonly osName: string;
  readonly osVersion: string;
  readonly agentVersion: string;
  readonly labels: Labels;
  readonly agentLabels: Labels;
  readonly operatorLabels: Labels;
  readonly enrolledAt: string;
  readonly factsAt: string;
  readonly presence: {
    readonly state: 'live' | 'poll' | 'offline' | 'unknown';
    readonly gatewayId?: string;
    readonly connectedAt?: string;
    readonly lastSeenAt?: string;
  };
  /** What operators have ordered about its channel; absent while the policy of the gateways counts. */
  readonly wanted?: {
    readonly mode: 'live' | 'poll';
    readonly intervalMs?: number;
    readonly until?: string;
    readonly reason: string;
    readonly by: string;
    readonly at: string;
  };
  /** The last time that it said that it could not use Live; `mode` is the channel over which it said so. */
  readonly away?: {
    readonly mode: 'live' | 'poll';
    readonly forMs: number;
    readonly failures: number;
    readonly why: string;
    readonly at: string;
  };
  readonly revoked?: { readonly by: string; readonly reason: string; readonly at: string };
  readonly duplicate?: { readonly at: string; readonly refusedHost: string; readonly refusedAddress: string };
}

export interface AgentPageJson {
  readonly items: readonly AgentJson[];
  readonly nextCursor?: string;
  readonly counts?: {
    readonly total: number;
    /** Null when nobody knows. */
    readonly live: number | null;
    readonly poll: number | null;
    readonly offline: number | null;
    readonly labels: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
}
