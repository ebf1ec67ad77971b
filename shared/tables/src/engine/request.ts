import type { SqlValue } from '@muster/protocol';
import type { CollectRequest, Constraint } from './collect.js';

/** Thrown through SQLite's callbacks when the statement's time is over. */
export class StatementTimeout extends Error {
  override readonly name = 'StatementTimeout';
}

/** State shared by all scans of one statement. */
export class StatementScope {
  readonly #memos = new Map<string, unknown>();
  readonly #expired: () => boolean;

  constructor(expired: () => boolean) {
    this.#expired = expired;
  }

  memo<T>(key: string, make: () => T): T {
    if (!this.#memos.has(key)) this.#memos.set(key, make());
    return this.#memos.get(key) as T;
  }

  checkpoint(): void {
    if (this.#expired()) throw new StatementTimeout('the time for this statement is over');
  }

  request(constraints: readonly Constraint[], columns: ReadonlySet<string>): CollectRequest {
    return {
      constraints,
      columns,
      uses: (...names) => names.some((name) => columns.has(name)),
      equal: (column) => equalValues(constraints, column),
      memo: (key, make) => this.memo(key, make),
      checkpoint: () => this.checkpoint(),
    };
  }
}

function equalValues(constraints: readonly Constraint[], column: string): readonly SqlValue[] | undefined {
  const values = constraints.filter((one) => one.column === column && one.op === '=').map((one) => one.value);
  return values.length === 0 ? undefined : values;
}
