import { z } from 'zod';
import { decodeCbor, encodeCbor } from './cbor.js';
import { labelsSchema } from './labels.js';
import { HEADER_BYTES } from './frames.js';
import { LIMITS } from './limits.js';
import { AGENT_OUTCOMES } from './outcomes.js';
import { BATCH_ENTRY_BYTES } from './poll-batch.js';
import { REPORTED_STATES } from './command-states.js';
import { SESSION_MODES } from './session-modes.js';
import { SQL_PARAMETER_TYPES, sqlParametersFault, type SqlParameter } from './sql-parameters.js';

const text = (max: number) => z.string().max(max);
const count = z.number().int().nonnegative();
const bytes = (min: number, max = min) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length >= min && value.length <= max,
    'bytes of another length',
  );
/** An agent's facts about its machine. Free text, except `os`, which selectors use. */
export const factsSchema = z.object({
  host: text(LIMITS.hostBytes).min(1),
  os: z.enum(['linux', 'windows', 'darwin']),
  arch: text(32),
  osName: text(LIMITS.factBytes),
  osVersion: text(LIMITS.factBytes),
  agentVersion: text(64),
});
export type Facts = z.infer<typeof factsSchema>;

/** The capabilities that an agent may list in its hello. */
export const CAPABILITY = {
  query: 'query',
  command: 'command',
  mode: 'mode',
  heartbeat: 'heartbeat',
  metrics: 'metrics',
  /** It binds the values of QUERY's `parameters`. */
  parameters: 'parameters',
  /** It runs QUERY's `pack`. */
  packs: 'packs',
} as const;

/** The columns of the row that a command is bound to on this endpoint. */
const bindingSchema = z.record(text(LIMITS.bindingKeyBytes), z.union([z.string(), z.number(), z.null()]));

const modeSetting = {
  mode: z.enum(SESSION_MODES),
  /** Longest time between two polls. */
  intervalMs: count.min(LIMITS.pollIntervalMinMs).max(LIMITS.pollIntervalMaxMs),
};

/** Which channel an agent is to use, and until when. */
const modeSchema = z.object({
  ...modeSetting,
  reason: text(LIMITS.reasonBytes),
  /** The agent waits a random time up to this before it changes, so that many agents do not change at the same moment. */
  spreadMs: count,
  /** A lease: after this time the agent switches to `next` by itself. */
  lease: z.object({ forMs: count, next: z.object(modeSetting) }).optional(),
});

/** A process: id, name, share of one processor (1 = all of it), resident bytes, the user it runs as. */
const processSchema = z.tuple([
  count,
  text(LIMITS.processNameBytes),
  z.number().nonnegative(),
  count,
  text(LIMITS.processNameBytes),
]);

/** Values for the `:name` of a statement. */
const sqlParametersSchema = z
  .array(
    z.object({
      name: z.string(),
      type: z.enum(SQL_PARAMETER_TYPES),
      value: z.custom<SqlParameter['value']>((value) => value !== undefined),
    }),
  )
  .superRefine((parameters, context) => {
    const message = sqlParametersFault(parameters);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** Which pack runs: who vouched for it, and the list with the key that signed. */
const packTicketSchema = z.object({ jws: text(LIMITS.jwsBytes), keys: text(LIMITS.jwsBytes) });

const schemas = {
  challenge: z.object({ nonce: bytes(32), serverTimeMs: count }),
  hello: z.object({
    facts: factsSchema,
    labels: labelsSchema,
    capabilities: z.array(text(64)).max(64),
    instance: bytes(16),
    proof: bytes(64),
    /** Epoch of the last session of this agent. Another process with the same key does not know it. */
    replaces: count.optional(),
    /** Why the agent is, or until now was, on another channel than its assigned one. */
    away: z.object({ forMs: count, failures: count, why: text(LIMITS.errorMessageBytes) }).optional(),
  }),
  welcome: z.object({
    agentId: text(64),
    epoch: count,
    heartbeatMs: count.min(1_000),
    /** For agents with the capability `heartbeat`: the gateway sends something at least this often. */
    gatewayHeartbeatMs: count.min(1_000).optional(),
    /** When this session is lost, its agent comes back at a random time within this. */
    returnSpreadMs: count.optional(),
    token: text(4096).optional(),
    /** The current signed list of keys that may sign commands. */
    commandKeys: text(LIMITS.jwsBytes).optional(),
    labels: z.record(z.string(), z.string()),
    /** For agents with the capability `mode`. */
    mode: modeSchema.optional(),
  }),
  mode: modeSchema,
  error: z.object({ code: text(64), message: text(LIMITS.errorMessageBytes) }),
  reconnect: z.object({ afterMs: count, spreadMs: count, reason: text(64) }),
  query: z.object({
    id: text(64),
    sql: text(LIMITS.sqlBytes),
    columns: z.array(text(LIMITS.columnNameBytes)).max(LIMITS.resultColumns),
    remainingMs: count,
    budget: z.object({ ms: count, rows: count, bytes: count, priority: z.literal('low').optional() }),
    credit: count,
    /** The gateway takes WARNINGS. */
    warnings: z.boolean().optional(),
    /** The gateway takes PROGRESS, at most so often. */
    progressMs: count.min(1_000).optional(),
    /** Only to agents with the capability `parameters`. */
    parameters: sqlParametersSchema.optional(),
    /** Runs the checks of this pack in place of `sql`. Only to agents with the capability `packs`. */
    pack: packTicketSchema.optional(),
  }),
  cancel: z.object({ reason: text(64) }),
  credit: z.object({ bytes: count }),
  command: z.object({
    id: text(64),
    number: count.min(1),
    jws: text(LIMITS.jwsBytes),
    keys: text(LIMITS.jwsBytes),
    proof: z.custom<Uint8Array>(
      (value) => value instanceof Uint8Array && value.length % 32 === 0 && value.length <= 32 * 32,
      'not a proof',
    ),
    binding: bindingSchema.nullable(),
  }),
  commandCancel: z.object({ id: text(64), number: count.min(1) }),
  reportKept: z.object({ id: text(64), number: count.min(1) }),
  report: z.object({
    id: text(64),
    number: count.min(1),
    state: z.enum(REPORTED_STATES),
    code: text(64),
    message: text(LIMITS.errorMessageBytes),
    effects: z.array(text(LIMITS.effectBytes)).max(LIMITS.effects).optional(),
    authentic: z.boolean(),
  }),
  /** How often the agent sends samples. */
  metrics: z.object({
    /** 0: not at all. */
    everyMs: count.max(LIMITS.metricsEveryMaxMs),
    /** Somebody watches: for `forMs` from now on, unless another METRICS comes before. */
    watch: z.object({ everyMs: count.min(1_000), forMs: count.max(LIMITS.metricsWatchMaxMs) }).optional(),
    /** The next sample must be a keyframe. */
    keyframe: z.boolean().optional(),
  }),
  /** How far back the gateway asks for history, from now. */
  metricsHistory: z.object({ secondsMs: count, minutesMs: count }),
  processes: z.object({
    atMs: count,
    byCpu: z.array(processSchema).max(LIMITS.topProcesses),
    byMemory: z.array(processSchema).max(LIMITS.topProcesses),
  }),
  queryEnd: z.object({ outcome: z.enum(AGENT_OUTCOMES), code: text(64), message: text(LIMITS.errorMessageBytes) }),
  /** The checks of the pack that a query names, as they are signed. Empty: the gateway cannot get them. */
  pack: z.object({ checks: bytes(0, LIMITS.packBytes) }),
  /** The agent does not have the checks of this query's pack. */
  packWanted: z.object({}),
  /** How far the agent is with a query that takes long. */
  progress: z.object({
    spentMs: count,
    /** Of that, how long it stood still for others. */
    pausedMs: count,
    paused: z.boolean(),
    /** Files, processes and the like. */
    looked: count,
  }),
  /** What the answer lacks, by reason: how many objects, and one of them. */
  warnings: z.object({
    warnings: z
      .array(z.object({ code: text(64), count: count.min(1), message: text(LIMITS.errorMessageBytes) }))
      .max(LIMITS.warnings),
  }),
} as const;

type Bodies = { readonly [K in keyof typeof schemas]: z.infer<(typeof schemas)[K]> };

export type ChallengeBody = Bodies['challenge'];
export type HelloBody = Bodies['hello'];
export type WelcomeBody = Bodies['welcome'];
export type ErrorBody = Bodies['error'];
export type ReconnectBody = Bodies['reconnect'];
export type ModeBody = Bodies['mode'];
export type QueryBody = Bodies['query'];
export type QueryEndBody = Bodies['queryEnd'];
export type PackTicket = z.infer<typeof packTicketSchema>;
export type PackBody = Bodies['pack'];
export type WarningsBody = Bodies['warnings'];
export type ProgressBody = Bodies['progress'];
export type CommandBody = Bodies['command'];
export type CommandCancelBody = Bodies['commandCancel'];
export type ReportKeptBody = Bodies['reportKept'];
export type ReportBody = Bodies['report'];
export type MetricsBody = Bodies['metrics'];
export type MetricsHistoryBody = Bodies['metricsHistory'];
export type ProcessesBody = Bodies['processes'];

export type DecodedBody<T> = { readonly ok: true; readonly body: T } | { readonly ok: false; readonly fault: string };

/** The CBOR bytes of a body. ROWS bodies are CBOR sequences of rows and do not pass here. */
export function encodeBody<K extends keyof Bodies>(_kind: K, body: Bodies[K]): Uint8Array {
  return encodeCbor(body);
}

/** Decodes and checks a body. Unknown members are ignored, so that a newer peer can send more. */
export function decodeBody<K extends keyof Bodies>(kind: K, body: Uint8Array): DecodedBody<Bodies[K]> {
  let value: unknown;
  try {
    value = decodeCbor(body);
  } catch (error) {
    return { ok: false, fault: error instanceof Error ? error.message : 'malformed CBOR' };
  }
  const parsed = schemas[kind].safeParse(value);
  return parsed.success ? { ok: true, body: parsed.data as Bodies[K] } : { ok: false, fault: firstFault(parsed.error) };
}

/** The largest body that fits into a message of either channel: one WebSocket message, and one batch of a poll. */
const SENDABLE_BYTES = Math.min(LIMITS.frameBytes, LIMITS.pollBodyBytes - BATCH_ENTRY_BYTES) - HEADER_BYTES;

/**
 * Why the peer would not take this body, or `undefined`: the check of {@link decodeBody}, and the size, for a sender. For what is sent
 * to many, ask once before the first.
 */
export function bodyFault<K extends keyof Bodies>(kind: K, body: Bodies[K]): string | undefined {
  const parsed = schemas[kind].safeParse(body);
  if (!parsed.success) return firstFault(parsed.error);
  const bytes = encodeBody(kind, body).length;
  return bytes <= SENDABLE_BYTES ? undefined : `it has ${bytes} bytes, ${SENDABLE_BYTES} can be sent`;
}

function firstFault({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'does not fit'}`;
}

/** Cuts text to the limit of an error message, at a character boundary. */
export function clipMessage(message: string): string {
  return message.length <= LIMITS.errorMessageBytes
    ? message
    : `${message.slice(0, LIMITS.errorMessageBytes - 2).toWellFormed()}…`;
}
