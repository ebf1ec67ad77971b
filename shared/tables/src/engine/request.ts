import type { SqlValue } from '@muster/protocol';
import { AnswerWarnings } from './answer-warnings.js';
import { CellBounds } from './cell-bounds.js';
import type { CollectRequest, Constraint } from './collect.js';
import { ScanCache } from './scan-cache.js';

/** Thrown through SQLite's callbacks when the statement's time is over. */
export class StatementTimeout extends Error {
  override readonly name = 'StatementTimeout';
}

/** The time of one statement. */
export interface StatementClock {
  expired(): boolean;
  remainingMs(): number;
}

/** State shared by all scans of one statement. */
export class StatementScope {
  readonly warnings = new AnswerWarnings();
  readonly bounds: CellBounds;
  readonly scans = new ScanCache(() => this.checkpoint());
  readonly #memos = new Map<string, unknown>();
  readonly #clock: StatementClock;

  /** `answerBytes`: what the whole answer may have. */
  constructor(clock: StatementClock, answerBytes: number) {
    this.#clock = clock;
    this.bounds = new CellBounds(answerBytes / 4, this.warnings);
  }

  memo<T>(key: string, make: () => T): T {
    if (!this.#memos.has(key)) this.#memos.set(key, make());
    return this.#memos.get(key) as T;
  }

  checkpoint(): void {
    if (this.#clock.expired()) throw new StatementTimeout('the time for this statement is over');
  }

  request(constraints: readonly Constraint[], columns: ReadonlySet<string>): CollectRequest {
    return {
      constraints,
      columns,
      uses: (...names) => names.some((name) => columns.has(name)),
      equal: (column) => equalValues(constraints, column),
      memo: (key, make) => this.memo(key, make),
      checkpoint: () => this.checkpoint(),
      remainingMs: () => this.#clock.remainingMs(),
      warn: (code, what) => this.warnings.add(code, what),
    };
  }
}

function equalValues(constraints: readonly Constraint[], column: string): readonly SqlValue[] | undefined {
  const values = constraints.filter((one) => one.column === column && one.op === '=').map((one) => one.value);
  return values.length === 0 ? undefined : values;
}
