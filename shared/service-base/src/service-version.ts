import { readFileSync } from 'node:fs';

let version: string | undefined;

/** The version of this program, which all programs of a release have. */
export function serviceVersion(): string {
  version ??= (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string })
    .version;
  return version;
}
