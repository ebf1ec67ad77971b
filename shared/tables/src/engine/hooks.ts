import { authorize, type Denial } from './authorizer.js';
import type { SqliteModule } from './sqlite-module.js';

/** What the authorizer and progress callbacks need of a database. */
export interface HookHost {
  knowsTable(name: string): boolean;
  recordDenial(denial: Denial): void;
  /** Returns true to end the statement. */
  expired(): boolean;
}

const DENY = 1;
/** About 10 µs of work between two checks of the clock. */
const OPERATIONS_PER_LOOK = 1_000;

/** One pair of callbacks for all databases of the thread. Each guarded database passes its own id. */
export class Hooks {
  readonly #sqlite: SqliteModule;
  readonly #hosts = new Map<number, HookHost>();
  readonly #authorizer: number;
  readonly #progress: number;
  #nextId = 1;

  constructor(sqlite: SqliteModule) {
    this.#sqlite = sqlite;
    this.#authorizer = sqlite.install('i(pipppp)', (id = 0, action = 0, first = 0, second = 0) =>
      this.#decide(id, action, sqlite.text(first), sqlite.text(second)),
    );
    this.#progress = sqlite.install('i(p)', (id = 0) => (this.#hosts.get(id)?.expired() === false ? 0 : 1));
  }

  /** Installs the guard: `db` becomes read-only and stops when its host says so. Returns the id for {@link Hooks.release}. */
  guard(db: number, host: HookHost): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#hosts.set(id, host);
    this.#sqlite.c.sqlite3_set_authorizer(db, this.#authorizer, id);
    this.#sqlite.c.sqlite3_progress_handler(db, OPERATIONS_PER_LOOK, this.#progress, id);
    return id;
  }

  /** Removes the guard, for internal statements. */
  release(db: number, id: number): void {
    this.#hosts.delete(id);
    this.#sqlite.c.sqlite3_set_authorizer(db, 0, 0);
    this.#sqlite.c.sqlite3_progress_handler(db, 0, 0, 0);
  }

  #decide(id: number, action: number, first: string, second: string): number {
    const host = this.#hosts.get(id);
    if (host === undefined) return DENY;
    const denial = authorize(action, first, second, (table) => host.knowsTable(table));
    if (denial === undefined) return 0;
    host.recordDenial(denial);
    return DENY;
  }
}
