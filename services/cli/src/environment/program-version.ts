import { readFileSync } from 'node:fs';

/** Set where the program is one file. */
declare const MUSTER_CLI_VERSION: string | undefined;

/** The version of this program, which all programs of a release have. */
export function programVersion(): string {
  if (typeof MUSTER_CLI_VERSION === 'string') return MUSTER_CLI_VERSION;
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
