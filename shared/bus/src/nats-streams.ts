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

/**
 * Creates a stream, or changes what differs; what `wanted` does not have stays as it is. It asks first what there is: nats-server 2.9 refuses to make a stream that exists already where
 * there is no room for its reserved bytes a second time.
 */
export async function ensureStream(
  streams: Streams,
  wanted: Partial<StreamConfig> & { readonly name: string },
  format = 1,
) {
  let found = await findStream(streams, wanted.name);
  if (found === undefined) {
    try {
      return await streams.add({ num_replicas: 1, description: describeFormat('', format), ...wanted });
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
  return differences(found, changed).length === 0 ? found : streams.update(wanted.name, changed);
}

/** @throws StreamError when one of these streams has a format that this version does not read. */
export async function refuseOtherFormats(streams: Streams, definitions: readonly StreamDefinition[]): Promise<void> {
  for (const definition of definitions) {
    const found = await findStream(streams, definition.name);
    if (found !== undefined) refuseOtherFormat(definition, formatIn(found.config.description));
  }
}

/**
 * Finds a stream that another service makes.
 * @throws StreamError `no_stream` when it is missing, `invalid` when it is another one than wanted; both say which.
 */
export async function expectStream(
  streams: Streams,
  wanted: Partial<StreamConfig> & { readonly name: string },
): Promise<StreamInfo> {
  const found = await findStream(streams, wanted.name);
  if (found === undefined) {
    throw new StreamError('no_stream', `stream ${wanted.name} is missing; another service has to make it`);
  }
  const different = differences(found, wanted);
  if (different.length === 0) return found;
  throw new StreamError(
    'invalid',
    `stream ${wanted.name} has another ${different.join(', ')} than this service expects`,
  );
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
