import type { ActionPlatform } from '@muster/actions';

/** Suffixes that the same service or program may be written with and without. */
const SUFFIXES = ['.service', '.exe'];

/**
 * What the endpoint's owner wants nobody to touch, whatever is ordered. An entry with a slash or backslash is a path and covers what is below it;
 * any other is a name: of a process, a service or a package, with or without `.service` or `.exe`.
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

  /** Why what has one of these names is not touched, or `undefined`. */
  name(...names: readonly (string | undefined)[]): string | undefined {
    const found = names.find((name) => name !== undefined && this.#names.has(this.#name(name)));
    return found === undefined ? undefined : `this endpoint is set to protect ${found}`;
  }

  /** Why what is at this path is not touched, or `undefined`. */
  path(path: string): string | undefined {
    const asked = this.#path(path);
    const found = this.#paths.find((own) => asked === own || asked.startsWith(`${own}/`));
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
