import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// Where the program finds its own files. The bundle, which is one file, replaces this module with `bundle/program-files.ts`.

/** This program's version, from the package it was installed with. */
export function agentVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}

/** The arguments with which this program's executable is a worker process. */
export function workerArguments(): readonly string[] {
  return [fileURLToPath(new URL('../worker/worker-main.js', import.meta.url))];
}

/** Where the program is: this package's folder, or the one file. */
export const PROGRAM_PATH = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');

/** The one file that is the whole program; none when it runs from a package. */
export const SINGLE_FILE: string | undefined = undefined;
