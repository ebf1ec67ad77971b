import type { SqlValue } from '@muster/protocol';

type Row = Readonly<Record<string, SqlValue>>;

/** Returns the changed row; `undefined` when it is gone. */
export type Rule = (row: Row) => Row | undefined;

/** What commands have changed on one machine: named rules over the rows of its tables. */
export class MachineChanges {
  readonly #rules = new Map<string, Map<string, Rule>>();

  /** Sets a rule; it replaces an earlier one of the same name. Returns the function that undoes this one. */
  set(table: string, name: string, rule: Rule): () => void {
    const rules = this.#rules.get(table) ?? new Map<string, Rule>();
    this.#rules.set(table, rules);
    const before = rules.get(name);
    rules.set(name, rule);
    return () => {
      if (before === undefined) rules.delete(name);
      else rules.set(name, before);
    };
  }

  has(table: string, name: string): boolean {
    return this.#rules.get(table)?.has(name) === true;
  }

  delete(table: string, name: string): void {
    this.#rules.get(table)?.delete(name);
  }

  apply(table: string, rows: readonly Row[]): readonly Row[] {
    const rules = this.#rules.get(table);
    if (rules === undefined || rules.size === 0) return rows;
    return rows.flatMap((row) => {
      let changed: Row | undefined = row;
      for (const rule of rules.values()) changed = changed === undefined ? undefined : rule(changed);
      return changed === undefined ? [] : [changed];
    });
  }
}
