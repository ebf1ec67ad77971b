import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const SEARCH = fileURLToPath(new URL('../exhaustive/main.js', import.meta.url));
const PLANT = fileURLToPath(new URL('./plant.js', import.meta.url));

/** What a program told of a planted fault. It is found only where a promise is broken: a program that could not run has found nothing. */
export type Finding =
  | { readonly kind: 'found'; readonly where: string; readonly property: string }
  | { readonly kind: 'missed' }
  | { readonly kind: 'failed'; readonly why: string };

export interface FaultSearch {
  /** In the list of planted faults. */
  readonly index: number;
  readonly isHandOver: boolean;
  /** Options of `simulate:faults`. */
  readonly options: readonly string[];
}

/** Runs histories, or the exhaustive search, with one planted fault. */
export function searchFault({ index, isHandOver, options }: FaultSearch): Finding {
  const program = isHandOver ? [SEARCH] : [MAIN, ...options];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--import', PLANT, ...program], {
    env: { ...process.env, NODE_OPTIONS: '', MUSTER_PLANTED_FAULT: String(index) },
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status === 0) return { kind: 'missed' };
  const property = /^NOT TRUE: (.*)$/m.exec(stdout)?.[1];
  const where = isHandOver ? 'hand-over' : /^seed (\d+)$/m.exec(stdout)?.[1];
  if (status === 1 && property !== undefined && where !== undefined) return { kind: 'found', where, property };
  return { kind: 'failed', why: `it ended with ${signal ?? status}\n${stdout}${stderr}` };
}
