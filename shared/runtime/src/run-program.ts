import { defineConfig, loadConfig, printableConfig, ConfigError, type ConfigResult, type Env } from './config.js';
import { field } from './field.js';
import { createLogger, LOG_LEVELS, type Logger } from './logger.js';
import { watchParent } from './parent-guard.js';
import { writeReadyFile } from './ready-file.js';
import { Runner, type RunOutcome } from './runner.js';

export interface ProgramContext {
  readonly name: string;
  readonly logger: Logger;
  readonly runner: Runner;
}

export interface Program<C extends object, Context = ProgramContext> {
  /** The `service` of every log line. */
  readonly name: string;
  readonly env: Env;
  readonly load: (env: Env) => ConfigResult<C>;
  /** The composition root: creates the components and registers them with the runner. */
  readonly build: (config: C, context: Context) => void | Promise<void>;
}

/** How the graceful stop is bounded. A service that divides its time reads the same settings for its own `check`. */
export const stopFields = {
  stopTimeoutMs: field.durationMs('MUSTER_STOP_TIMEOUT', { default: 25_000, min: 100 }),
  unreadyWaitMs: field.durationMs('MUSTER_UNREADY_WAIT', { default: 0, max: 120_000 }),
};

/** Settings of every program, read beside its own. */
const commonConfig = defineConfig({
  prefix: 'MUSTER_LOG_',
  fields: {
    logLevel: field.oneOf('MUSTER_LOG_LEVEL', LOG_LEVELS, { default: 'info' }),
    logPretty: field.bool('MUSTER_LOG_PRETTY', { default: false }),
    ...stopFields,
    readyFile: field.text('MUSTER_READY_FILE', { optional: true, example: '/run/muster/gateway.json' }),
    parentPid: field.int('MUSTER_PARENT_PID', { optional: true, min: 1 }),
  },
});

/**
 * Runs a program: reads its configuration, builds, runs and stops it, and ends the process. Exit codes:
 * 0 after a clean stop, 1 after a failure or an unclean stop, 2 when the configuration has faults (listed on standard error).
 * A second SIGTERM or SIGINT ends the process at once.
 */
export async function runProgram<C extends object>(program: Program<C>): Promise<void> {
  const common = loadConfig(commonConfig, program.env);
  const own = program.load(program.env);
  if (!common.ok || !own.ok) {
    const faults = [common, own].flatMap((result) => (result.ok ? [] : result.error.faults));
    process.stderr.write(`${program.name}: ${new ConfigError(faults).message}\n`);
    process.exit(2);
  }
  const { config } = own;
  const { logLevel, logPretty, stopTimeoutMs, unreadyWaitMs, readyFile, parentPid } = common.config;
  const logger = createLogger({ service: program.name, level: logLevel, pretty: logPretty });
  for (const warning of [...common.warnings, ...own.warnings]) logger.warn('unknown setting', { warning });
  logger.info('starting', { pid: process.pid, config: printableConfig(config) });
  const runner = new Runner({
    logger,
    stopTimeoutMs,
    unreadyWaitMs,
    onReady: (ports) => (readyFile === undefined ? undefined : writeReadyFile(readyFile, ports)),
  });
  stopOnSignals(runner, logger);
  if (parentPid !== undefined) watchParent({ pid: parentPid, onGone: () => void runner.stop('parent gone') });
  process.exit(await run(runner, logger, () => program.build(config, { name: program.name, logger, runner })));
}

async function run(runner: Runner, logger: Logger, build: () => void | Promise<void>): Promise<0 | 1> {
  let outcome: RunOutcome;
  try {
    // A build that waits for a broker must not delay a stop.
    await Promise.race([build(), stopBegins(runner.stopSignal)]);
    outcome = await runner.wait();
  } catch (error) {
    logger.fatal('program failed', { err: error });
    await runner.stop('failed');
    return 1;
  }
  return 'failure' in outcome || outcome.unclean.length > 0 ? 1 : 0;
}

const stopBegins = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

function stopOnSignals(runner: Runner, logger: Logger): void {
  let asked = false;
  const onSignal = (name: 'SIGTERM' | 'SIGINT', code: number) => (): void => {
    if (asked) process.exit(code);
    asked = true;
    void runner.stop(name);
  };
  // 128 + the number of the signal, as a shell reports it.
  process.on('SIGTERM', onSignal('SIGTERM', 143));
  process.on('SIGINT', onSignal('SIGINT', 130));
  // After either of these the state in memory cannot be trusted, so there is no orderly stop.
  const onCrash = (error: unknown): void => {
    logger.fatal('program crashed', { err: error });
    process.exit(1);
  };
  process.on('uncaughtException', onCrash);
  process.on('unhandledRejection', onCrash);
}
