import { basename } from 'node:path';
import type { System } from '../contract/system.js';
import type { UnitFile } from './parse/systemd.js';

const CONFIG = '/etc/systemd/system';
const RUNTIME = '/run/systemd/system';

/** A link in a folder of units, or in one of its `.wants`, `.requires` and `.upholds`. */
interface UnitLink {
  readonly name: string;
  /** The name that it leads to; of one in a folder of another unit its own. */
  readonly target: string;
  readonly folder: string;
}

/** Links between units, and what they make of a unit file: as `systemctl list-unit-files` says it (systemd's install.c). */
export class UnitLinks {
  readonly #own: readonly UnitLink[];
  readonly #wanted: readonly UnitLink[];

  constructor(system: System, folders: readonly string[]) {
    const linksIn = (folder: string, path: string): UnitLink[] =>
      system.list(path).flatMap((name) => {
        const target = system.link(`${path}/${name}`);
        return target === undefined || target === '/dev/null' ? [] : [{ name, target: basename(target), folder }];
      });
    this.#own = folders.flatMap((folder) => linksIn(folder, folder));
    this.#wanted = folders.flatMap((folder) =>
      system
        .list(folder)
        .filter((name) => /\.(wants|requires|upholds)$/.test(name))
        .flatMap((name) => linksIn(folder, `${folder}/${name}`)),
    );
  }

  /** The unit that this one is another name of. @param folder that has the file which counts */
  aliasOf(id: string, folder: string): string | undefined {
    const own = this.#ownOf(id, folder);
    return own === undefined || own.target === id ? undefined : own.target;
  }

  /** @param folder that has the unit file which counts; it is no other name of a unit */
  stateOf(id: string, folder: string, unit: UnitFile): string {
    const own = this.#ownOf(id, folder);
    const names = this.#namesOf(id);
    const known = names.filter(({ name }) => isKnown(name, id, unit));
    if (known.some((link) => link.folder === CONFIG)) return 'enabled';
    if (known.some((link) => link.folder === RUNTIME)) return 'enabled-runtime';
    if (own?.folder === CONFIG) return 'linked';
    if (own?.folder === RUNTIME) return 'linked-runtime';
    if (names.some((link) => link.folder === CONFIG || link.folder === RUNTIME)) return 'indirect';
    if (unit.isInstallable) return 'disabled';
    return unit.hasAlso ? 'indirect' : 'static';
  }

  #ownOf(id: string, folder: string): UnitLink | undefined {
    return this.#own.find((link) => link.name === id && link.folder === folder);
  }

  /** Links to the unit, or to an instance of the template that it is. */
  #namesOf(id: string): readonly UnitLink[] {
    const others = this.#own.filter(({ name, target }) => target === id && name !== id);
    return [...others, ...this.#wanted.filter(({ name }) => name === id || templateOf(name) === id)];
  }
}

/** Whether enabling the unit makes a link of this name. */
function isKnown(name: string, id: string, { aliases, defaultInstance }: UnitFile): boolean {
  const isDefault = defaultInstance !== '' && name === id.replace('@.', `@${defaultInstance}.`);
  return name === id || isDefault || aliases.includes(name);
}

function templateOf(name: string): string {
  return name.replace(/@.+(\.[a-z]+)$/, '@$1');
}

/** Of a unit whose file in this folder says that there is none. */
export function maskedState(folder: string): string {
  return folder === RUNTIME ? 'masked-runtime' : 'masked';
}
