import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// Where the program finds its own files. The bundle, which is one file, replaces this module with `bundle/program-files.ts`.

/** The main module of a worker thread: a file, or its source text. */
export type WorkerEntry = URL | { readonly code: string };

/** This program's version, from the package it was installed with. */
export function agentVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}

/** The main module of the threads in which statements run. */
export function queryWorker(): WorkerEntry {
  return new URL('../worker/query-worker.js', import.meta.url);
}

/** Where the program is: this package's folder, or the one file. */
export const PROGRAM_PATH = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');

/** The one file that is the whole program; none when it runs from a package. */
export const SINGLE_FILE: string | undefined = undefined;
