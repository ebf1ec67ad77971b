import type { InitializeHook, LoadHook } from 'node:module';
import type { PlantedFault } from './planted-fault.js';

let planted: PlantedFault | undefined;

/** Runs in the thread of the loader. */
export const initialize: InitializeHook<PlantedFault> = (fault) => {
  planted = fault;
};

/** Changes its files. A fault that fits nowhere is a mistake in the list: the code has changed since. */
export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  const edits = planted?.edits.filter(({ file }) => url.endsWith(`/${file}`)) ?? [];
  if (edits.length === 0) return loaded;
  let source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
  for (const { file, is, was } of edits) {
    if (!source.includes(is)) throw new Error(`${file} has no ${JSON.stringify(is)}`);
    source = source.replace(is, () => was);
  }
  return { ...loaded, source };
};
