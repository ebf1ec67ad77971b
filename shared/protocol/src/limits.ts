/**
 * The limits of the wire and of the services that more than one program must know. Bytes and milliseconds.
 * `docs/protocol.md` repeats those that bind an agent.
 */
export const LIMITS = {
  /** What an unauthenticated connection may send in total before its hello is accepted. */
  helloBytes: 8 * 1024,
  /** From the upgrade to an accepted hello; traffic does not extend it. */
  helloDeadlineMs: 10_000,
  /** One WebSocket message in either direction. */
  frameBytes: 1024 * 1024,
  /** What an agent should put into one ROWS frame, unless a single row is larger. */
  chunkBytes: 32 * 1024,
  /** One row; larger ones end the answer as over budget. */
  rowBytes: 512 * 1024,
  /** An agent pings at least this often. Load balancers often close idle connections after 30 to 60 s. */
  heartbeatMs: 25_000,
  /** The same for agents with the capability `heartbeat`: the gateway speaks in between. */
  pairedHeartbeatMs: 48_000,
  /** Such an agent hears something of its gateway at least this often. */
  gatewayHeartbeatMs: 25_000,
  /** A gateway closes a session that was silent for this long. */
  sessionSilenceMs: 60_000,
  /** One batch of frames in a poll's request or reply, before compression. */
  pollBodyBytes: 960 * 1024,
  /** Frames in one of them. */
  pollFrames: 4_096,
  pollIntervalMs: 60_000,
  pollIntervalMinMs: 1_000,
  pollIntervalMaxMs: 24 * 3_600_000,
  /** A gateway ends a poll session that did not poll for twice its interval plus this. */
  pollSilenceMs: 30_000,
  sqlBytes: 64 * 1024,
  /** Parameters of a statement, and the bytes of their values together. */
  sqlParameters: 64,
  sqlParametersBytes: 64 * 1024,
  /** Columns of a result; SQLite itself allows no more. */
  resultColumns: 2_000,
  /** The name of one column, and the names of all columns of a result together, as UTF-8. */
  columnNameBytes: 1_024,
  columnNamesBytes: 64 * 1024,
  /** How long a hunt may wait for absent endpoints. */
  huntMaxMs: 14 * 86_400_000,
  queryTimeoutMinMs: 1_000,
  queryTimeoutMaxMs: 600_000,
  queryTimeoutDefaultMs: 30_000,
  /** What one endpoint may spend on one query. */
  progressMs: 5_000,
  budgetMs: 10_000,
  budgetRows: 10_000,
  budgetBytes: 4 * 1024 * 1024,
  budgetMinMs: 1_000,
  /** What it may spend at low priority, where its caller asks for that. */
  budgetMaxMs: 600_000,
  /** The checks of one pack, as they travel to endpoints. */
  packBytes: 512 * 1024,
  packChecks: 1_000,
  /** One part of a feed: compressed, as text, and how many a feed may have. */
  feedPartBytes: 600 * 1024,
  feedPartTextBytes: 16 * 1024 * 1024,
  feedParts: 2_048,
  feedRecords: 2_000_000,
  /** What one check may say of one endpoint: why it has no verdict, and the rows that made it fail. UTF-16 code units. */
  checkReasonChars: 256,
  checkEvidenceChars: 2_048,
  /** The evidence of all checks of one answer. */
  scanEvidenceChars: 256 * 1024,
  /** How many endpoints are named per group. */
  groupSample: 10,
  selectorBytes: 4 * 1024,
  labels: 32,
  labelKeyBytes: 63,
  labelValueBytes: 63,
  hostBytes: 253,
  factBytes: 256,
  errorMessageBytes: 512,
  /** How many kinds of warnings an answer may have. */
  warnings: 8,
  /** A compact JWS: a signed command, or the list of keys. */
  jwsBytes: 32 * 1024,
  /** The parameters of a command, as JSON. */
  paramsBytes: 16 * 1024,
  bindingKeyBytes: 64,
  /** The row that a command is bound to, as CBOR. */
  bindingBytes: 4 * 1024,
  /** How many effects a report may list. */
  effects: 50,
  effectBytes: 256,
  commandTargets: 100_000,
  /** Rows that one command may be bound to. */
  commandRows: 5_000,
  commandExpiryMinMs: 1_000,
  commandExpiryMaxMs: 7 * 24 * 3_600_000,
  commandExpiryDefaultMs: 24 * 3_600_000,
  /** How long an action may run on one endpoint. */
  commandTimeoutMaxMs: 3_600_000,
  /** How long the reply to a command request may wait for the outcome. */
  commandWaitMaxMs: 30_000,
  reasonBytes: 500,
  /** KEYFRAME, DELTA and PROCESSES; larger ones end the session. */
  sampleBytes: 64 * 1024,
  /** One piece of HISTORY. */
  historyBytes: 64 * 1024,
  metricsEveryMaxMs: 3_600_000,
  /** For how long one METRICS can ask for the watched interval. */
  metricsWatchMaxMs: 60_000,
  topProcesses: 10,
  processNameBytes: 64,
} as const;

/** What one endpoint may spend on one query; whichever is reached first ends it as `over_budget`. */
export interface Budget {
  readonly ms: number;
  readonly rows: number;
  readonly bytes: number;
  /** Other programs of the endpoint go first, and when the time is over the rows until then are the answer, with a warning that says so. */
  readonly priority?: 'low' | undefined;
}

export const DEFAULT_BUDGET: Budget = { ms: LIMITS.budgetMs, rows: LIMITS.budgetRows, bytes: LIMITS.budgetBytes };
