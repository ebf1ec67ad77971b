import { isSea } from 'node:sea';
import { WORKER_ARGUMENT } from './worker-argument.js';

// Replaces `../host/program-files.ts` in the bundle. What the bundler defines:
declare const MUSTER_AGENT_VERSION: string;
declare const MUSTER_AGENT_FILE: string;

export function agentVersion(): string {
  return MUSTER_AGENT_VERSION;
}

/** The bundle is also the program of the worker processes. A single executable needs no file. */
export function workerArguments(): readonly string[] {
  return isSea() ? [WORKER_ARGUMENT] : [MUSTER_AGENT_FILE, WORKER_ARGUMENT];
}

export const PROGRAM_PATH = MUSTER_AGENT_FILE;
export const SINGLE_FILE: string | undefined = MUSTER_AGENT_FILE;
