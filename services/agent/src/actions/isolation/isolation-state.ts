import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';

/** The isolation in force, as the agent stores it. The firewall's rules are authoritative; the state is for applying them again. */
export interface IsolationState {
  /** The command that isolated the host, and the number of the target. */
  readonly command: string;
  readonly number: number;
  readonly releaseAtMs: number;
  /** Total duration. It limits the isolation when the clock is set back. */
  readonly lastsMs: number;
  /** Networks that stay reachable besides the gateway. */
  readonly allow: readonly string[];
  /** Addresses and ports of the gateways in the rules. */
  readonly gateways?: readonly string[];
}

/** Stores at most one state, in a file of the data directory. */
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

/** Returns `undefined` when the value is not a valid state. */
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
