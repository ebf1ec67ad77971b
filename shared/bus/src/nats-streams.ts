import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';

import { describeFormat, formatIn, refuseOtherFormat } from './stream-format.js';
import type { StreamDefinition } from './stream-store.js';

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
  const config: Readonly<Record<string, unknown>> = { ...found.config };
  const { description } = found.config;
  // What an operator wrote there stays.
  const rises = formatIn(description) < format ? { description: describeFormat(description, format) } : {};
  const changed = { ...wanted, ...rises };
  const isSame = Object.entries(changed).every(
    ([name, value]) => JSON.stringify(config[name]) === JSON.stringify(value),
  );
  return isSame ? found : streams.update(wanted.name, changed);
}

/** @throws StreamError when one of these streams has a format that this version does not read. */
export async function refuseOtherFormats(streams: Streams, definitions: readonly StreamDefinition[]): Promise<void> {
  for (const definition of definitions) {
    const found = await findStream(streams, definition.name);
    if (found !== undefined) refuseOtherFormat(definition, formatIn(found.config.description));
  }
}

async function findStream(streams: Streams, name: string): Promise<StreamInfo | undefined> {
  try {
    return await streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
}
