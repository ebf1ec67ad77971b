import { readdirSync, readFileSync } from 'node:fs';

/**
 * The packs that come with the CLI: text by id. A bundle holds what this module returned when it was made
 * (`deploy/cli/inline-texts.mjs`).
 */
export function shippedPacks(): ReadonlyMap<string, string> {
  const folder = new URL('../../../../shared/packs/shipped/', import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
  return new Map(files.map((file) => [file.slice(0, -'.yaml'.length), readFileSync(new URL(file, folder), 'utf8')]));
}
