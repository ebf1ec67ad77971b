import { readFileSync } from 'node:fs';
import { LIMITS } from '@muster/protocol';
import { readableName } from '../contract/instance-names.js';
import { readOnce } from './read-once.js';

const KEEP_MS = 60_000;

/** The names of local users. One that a directory service has is shown by its number: asking the service may take for ever. */
export class UserNames {
  readonly #root: string;
  #names: ReadonlyMap<string, string> = new Map();
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(root = '') {
    this.#root = root;
  }

  /** The user that a process runs as; empty when it has ended. */
  ofProcess(pid: number): string {
    const bytes = readOnce(`${this.#root}/proc/${pid}/status`);
    const uid = /^Uid:\t\d+\t(\d+)/m.exec(bytes?.toString('latin1') ?? '')?.[1];
    if (uid === undefined) return '';
    const nowMs = performance.now();
    if (nowMs - this.#readAtMs > KEEP_MS) {
      this.#names = readNames(`${this.#root}/etc/passwd`);
      this.#readAtMs = nowMs;
    }
    return this.#names.get(uid) ?? uid;
  }
}

function readNames(path: string): ReadonlyMap<string, string> {
  try {
    const lines = readFileSync(path, 'latin1').split('\n').slice(0, 10_000);
    // The first line of a number counts.
    return new Map(
      lines.toReversed().flatMap((line) => {
        const [name, , uid] = line.split(':');
        return name && uid ? [[uid, readableName(name, LIMITS.processNameBytes)] as const] : [];
      }),
    );
  } catch {
    return new Map();
  }
}
