import { isSea, getAsset } from 'node:sea';
import { readFileSync } from 'node:fs';
import type { WorkerEntry } from '../host/program-files.js';

// Replaces `../host/program-files.ts` in the bundle. What the bundler defines:
declare const MUSTER_AGENT_VERSION: string;
declare const MUSTER_AGENT_FILE: string;

export function agentVersion(): string {
  return MUSTER_AGENT_VERSION;
}

/**
 * The bundle is also the worker's main module. A single executable has it as an asset, because a thread cannot start
 * from an executable.
 */
export function queryWorker(): WorkerEntry {
  return { code: isSea() ? getAsset('bundle', 'utf8') : readFileSync(MUSTER_AGENT_FILE, 'utf8') };
}

export const PROGRAM_PATH = MUSTER_AGENT_FILE;
export const SINGLE_FILE: string | undefined = MUSTER_AGENT_FILE;
