import type { ActionPlatform } from '@muster/actions';

/** Optional suffixes of services and programs. */
const SUFFIXES = ['.service', '.exe'];

/**
 * What no command may touch, as the endpoint's owner configured it. An entry with a slash or backslash is a path and
 * covers everything below it. Any other entry is the name of a process, service or package, with or without `.service`
 * or `.exe`.
 */
export class Protection {
  readonly #names: ReadonlySet<string>;
  readonly #paths: readonly string[];
  readonly #foldCase: boolean;

  constructor(entries: readonly string[], platform: ActionPlatform) {
    this.#foldCase = platform !== 'linux';
    const plain = entries.map((entry) => entry.trim()).filter((entry) => entry !== '');
    this.#names = new Set(plain.filter((entry) => !isPath(entry)).map((entry) => this.#name(entry)));
    this.#paths = plain.filter(isPath).map((entry) => this.#path(entry));
  }

  /** Returns why an object with one of these names is protected, or `undefined`. */
  name(...names: readonly (string | undefined)[]): string | undefined {
    const found = names.find((name) => name !== undefined && this.#names.has(this.#name(name)));
    return found === undefined ? undefined : `this endpoint is set to protect ${found}`;
  }

  /** Returns why this path is protected, or `undefined`. */
  path(path: string): string | undefined {
    const candidate = this.#path(path);
    const found = this.#paths.find((own) => candidate === own || candidate.startsWith(`${own}/`));
    return found === undefined ? undefined : `this endpoint is set to protect ${found}`;
  }

  #name(name: string): string {
    const folded = this.#foldCase ? name.toLowerCase() : name;
    const suffix = SUFFIXES.find((one) => folded.length > one.length && folded.endsWith(one));
    return suffix === undefined ? folded : folded.slice(0, -suffix.length);
  }

  #path(path: string): string {
    const folded = (this.#foldCase ? path.toLowerCase() : path).replaceAll('\\', '/');
    return folded.length > 1 ? folded.replace(/\/+$/, '') : folded;
  }
}

function isPath(entry: string): boolean {
  return /[\\/]/.test(entry);
}
