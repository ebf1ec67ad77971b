import { readdirSync, readFileSync } from 'node:fs';

/**
 * The questions that come with the CLI: text by name. A bundle has no folder beside it; it holds what this module returned when it was made
 * (`deploy/cli/inline-texts.mjs`).
 */
export function shippedQuestions(): ReadonlyMap<string, string> {
  const folder = new URL('../../questions/', import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'));
  return new Map(files.map((file) => [file.slice(0, -'.sql'.length), readFileSync(new URL(file, folder), 'utf8')]));
}
