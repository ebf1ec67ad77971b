import { pino } from 'pino';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Data of one log line. An error goes under `err`. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * The logger that is passed to everything. The message is constant lower-case text, so that lines can be counted; data goes
 * into the fields. Debug is per message, info per life-cycle step, error only where a person must act.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The process cannot go on. */
  fatal(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  readonly service: string;
  readonly level?: LogLevel;
  readonly pretty?: boolean;
  /** Where lines go; standard output unless given. */
  readonly destination?: { write(line: string): unknown };
}

// Fields whose values must never be logged. Two levels of nesting cover headers and options.
const HIDDEN_FIELDS = [
  'authorization',
  'Authorization',
  'token',
  'secret',
  'password',
  'cookie',
  'privateKey',
  'proof',
];
const HIDDEN_PATHS = HIDDEN_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** A logger that writes one line of JSON per call. Values of fields with the names of secrets are replaced. */
export function createLogger({ service, level = 'info', pretty = false, destination }: LoggerOptions): Logger {
  const sink = destination ?? pino.destination({ fd: 1, sync: true });
  const options: pino.LoggerOptions = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
    redact: { paths: HIDDEN_PATHS, censor: '[secret]' },
  };
  return wrap(pino(options, pretty ? prettyLines(sink) : sink));
}

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
  child: () => silentLogger,
};

/** Puts the message first, so that a call without data needs no empty object. */
function wrap(target: pino.Logger): Logger {
  return {
    debug: (message, fields) => target.debug(fields ?? {}, message),
    info: (message, fields) => target.info(fields ?? {}, message),
    warn: (message, fields) => target.warn(fields ?? {}, message),
    error: (message, fields) => target.error(fields ?? {}, message),
    fatal: (message, fields) => target.fatal(fields ?? {}, message),
    child: (fields) => wrap(target.child(fields)),
  };
}

/** Converts each JSON line to a readable one: `20:15:02.113 info  gateway session opened agentId=abc`. */
function prettyLines(target: { write(line: string): unknown }): { write(line: string): void } {
  return { write: (line) => void target.write(prettyLine(line)) };
}

function prettyLine(line: string): string {
  const { time, level, service, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const data = Object.entries(fields).map(([name, value]) => ` ${name}=${plain(value)}`);
  const stack = stackOf(err);
  return `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${String(service)} ${String(msg)}${data.join('')}\n${stack}`;
}

const plain = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);

function stackOf(err: unknown): string {
  if (typeof err !== 'object' || err === null || !('stack' in err)) return '';
  return `${String(err.stack).replace(/^/gm, '    ')}\n`;
}
