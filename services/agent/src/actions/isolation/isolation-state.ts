import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';

/** The isolation that is in force, as the agent remembers it. The machine's own rules are what counts; this is for starting again. */
export interface IsolationState {
  /** The command and the target that ordered it. */
  readonly command: string;
  readonly number: number;
  readonly releaseAtMs: number;
  /** How long it was to last: no clock that was set back makes it longer. */
  readonly lastsMs: number;
  /** Blocks that stay reachable, beside the gateway. */
  readonly allow: readonly string[];
  /** Addresses and ports of gateways that the rules have. */
  readonly gateways?: readonly string[];
}

/** Holds at most one, in a file of the data directory. */
export class IsolationStore {
  readonly #path: string;

  constructor(dataDir: string) {
    this.#path = join(dataDir, 'isolation.json');
  }

  load(): IsolationState | undefined {
    const text = readFileIfThere(this.#path);
    if (text === undefined) return undefined;
    try {
      return readState(JSON.parse(text));
    } catch {
      return undefined;
    }
  }

  save(state: IsolationState): void {
    writeFileAtomic(this.#path, JSON.stringify(state));
  }

  clear(): void {
    rmSync(this.#path, { force: true });
  }
}

/** `undefined` for anything that is no state. */
export function readState(value: unknown): IsolationState | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { command, number, releaseAtMs, lastsMs, allow, gateways } = value as Readonly<Record<string, unknown>>;
  const isWhole = typeof command === 'string' && [number, releaseAtMs, lastsMs].every(Number.isSafeInteger);
  if (!isWhole || !isTexts(allow)) return undefined;
  return {
    command,
    number: Number(number),
    releaseAtMs: Number(releaseAtMs),
    lastsMs: Number(lastsMs),
    allow,
    ...(isTexts(gateways) && { gateways }),
  };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
