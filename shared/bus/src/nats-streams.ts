import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';

import { describeFormat, formatIn, refuseOtherFormat } from './stream-format.js';
import { type StreamDefinition, StreamError } from './stream-store.js';

type Streams = JetStreamManager['streams'];
/** Told of what was done to a stream: `created`, or the names of what was changed. */
type OnEnsured = (stream: string, changes: readonly string[]) => void;

/**
 * Creates a stream, or changes what differs; what `wanted` does not have stays as it is. It asks first what there is:
 * nats-server 2.9 refuses to make a stream that exists already where there is no room for its reserved bytes a second
 * time.
 */
export async function ensureStream(
  streams: Streams,
  wanted: Partial<StreamConfig> & { readonly name: string },
  format = 1,
  onEnsured: OnEnsured = () => undefined,
): Promise<StreamInfo> {
  let found = await findStream(streams, wanted.name);
  if (found === undefined) {
    try {
      const made = await streams.add({ num_replicas: 1, description: describeFormat('', format), ...wanted });
      onEnsured(wanted.name, ['created']);
      return made;
    } catch (error) {
      // Another service may have made it meanwhile.
      found = await findStream(streams, wanted.name);
      if (found === undefined) throw error;
    }
  }
  const { description } = found.config;
  // What an operator wrote there stays.
  const rises = formatIn(description) < format ? { description: describeFormat(description, format) } : {};
  const changed = { ...wanted, ...rises };
  const different = differences(found, changed);
  if (different.length === 0) return found;
  const updated = await streams.update(wanted.name, changed);
  onEnsured(wanted.name, different);
  return updated;
}

/** @throws StreamError when one of these streams has a format that this version does not read. */
export async function refuseOtherFormats(streams: Streams, definitions: readonly StreamDefinition[]): Promise<void> {
  for (const definition of definitions) {
    const found = await findStream(streams, definition.name);
    if (found !== undefined) refuseOtherFormat(definition, formatIn(found.config.description));
  }
}

/**
 * Finds a stream that `muster-setup` makes. Its bounds are that one's own to set. What programs rely on has to be
 * there: they read their subjects, and an acknowledgement means as many copies as are configured.
 * @throws StreamError `no_stream` when it is missing, `invalid` when it is another one than wanted; both say which.
 */
export async function expectStream(
  streams: Streams,
  wanted: Partial<StreamConfig> & { readonly name: string },
  format = 1,
): Promise<StreamInfo> {
  const found = await findStream(streams, wanted.name);
  if (found === undefined) {
    throw new StreamError('no_stream', `stream ${wanted.name} is missing; muster-setup has to make it`);
  }
  const faults = shortcomings(found, wanted, format);
  if (faults.length === 0) return found;
  throw new StreamError('invalid', `stream ${wanted.name} ${faults.join(', ')}; muster-setup has to change it`);
}

function shortcomings({ config }: StreamInfo, wanted: Partial<StreamConfig>, format: number): string[] {
  const { subjects = [], num_replicas: replicas = 1, ...others } = wanted;
  const fixed = ['storage', 'retention', 'discard'] as const;
  const different: string[] = fixed.filter((name) => name in others && others[name] !== config[name]);
  // How many are kept is a bound as others are, and differs between versions; that only the newest is kept is what readers rely on.
  const isMap = ({ max_msgs_per_subject: most }: Partial<StreamConfig>): boolean => most === 1;
  if ('max_msgs_per_subject' in others && isMap(others) !== isMap(config)) different.push('max_msgs_per_subject');
  const missing = subjects.filter((subject) => !config.subjects.includes(subject));
  const foundFormat = formatIn(config.description);
  return [
    ...different.map((name) => `has another ${name}`),
    ...missing.map((subject) => `does not keep ${subject}`),
    ...(config.num_replicas < replicas ? [`has ${config.num_replicas} replicas where ${replicas} are set`] : []),
    ...(foundFormat < format ? [`has format ${foundFormat} where this version writes ${format}`] : []),
  ];
}

function differences({ config }: StreamInfo, wanted: Partial<StreamConfig>): string[] {
  const there: Readonly<Record<string, unknown>> = { ...config };
  return Object.entries(wanted).flatMap(([name, value]) =>
    JSON.stringify(there[name]) === JSON.stringify(value) ? [] : [name],
  );
}

async function findStream(streams: Streams, name: string): Promise<StreamInfo | undefined> {
  try {
    return await streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
}
