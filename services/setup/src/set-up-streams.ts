import { StreamError, type StreamDefinition, type StreamStore } from '@muster/bus';
import { sleep, systemClock, type Logger } from '@muster/runtime';
import { needsRoom, reservedBytes } from '@muster/service-base/settings';

export interface SetUpOptions {
  readonly streams: readonly StreamDefinition[];
  /** What each NATS server may store, where it is known. */
  readonly storageLimitBytes?: number | undefined;
  /** When it gives up, as `Date.now()` tells it. */
  readonly untilMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const RETRY_MS = 500;
/** Of what NATS may store: the streams without a bound need the rest. */
const RESERVED_AT_MOST = 0.8;

/**
 * Makes the streams that are missing, changes those that differ, and fills the reserve. It tries until NATS has them: a
 * cluster elects its leaders, or somebody gives it more room. What it waits for is logged.
 * @throws StreamError when the time is over, or at once where a stream has a format that this version does not read.
 */
export async function setUpStreams(
  store: Pick<StreamStore, 'ensure' | 'storage'>,
  options: SetUpOptions,
): Promise<void> {
  const { streams, storageLimitBytes = Infinity, untilMs, logger, signal } = options;
  const onEnsured = (stream: string, changes: readonly string[]): void =>
    logger.info('stream is set up', { stream, changes });
  let logged = '';
  for (;;) {
    const fault = await tryOnce(store, streams, onEnsured);
    if (fault === undefined) break;
    if (fault.code.endsWith('_format') || Date.now() + RETRY_MS >= untilMs || signal.aborted) throw fault;
    if (fault.message !== logged) logger.warn('waiting for the streams', { reason: fault.message });
    logged = fault.message;
    await sleep(systemClock, RETRY_MS, signal);
  }
  const reserved = reservedBytes(streams);
  if (reserved > RESERVED_AT_MOST * storageLimitBytes)
    logger.warn('little room is left for streams without a bound', { reserved, limit: storageLimitBytes });
  logger.info('all streams are set up', { streams: streams.length, reserved });
}

async function tryOnce(
  store: Pick<StreamStore, 'ensure' | 'storage'>,
  streams: readonly StreamDefinition[],
  onEnsured: (stream: string, changes: readonly string[]) => void,
): Promise<StreamError | undefined> {
  try {
    await store.ensure(streams, { timeoutMs: 0, onEnsured });
    // It fills the reserve up.
    await store.storage();
    return undefined;
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    if (error.code !== 'storage_full') return error;
    return new StreamError(error.code, `${error.message} (${needsRoom(streams)})`, error);
  }
}
