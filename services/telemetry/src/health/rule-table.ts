import type { HealthRule } from './health-policy.js';
import { levelNamed, type Level, type RuleState } from './rule-state.js';

/** Where each rule is for the slots of the endpoint table in which not all is well: nearly all endpoints are, and take four bytes each. */
export class RuleTable {
  readonly rules: readonly HealthRule[];
  /** The row of a slot; 0 for one of which all rules are `ok` and stay it. */
  #rows = new Uint32Array(0);
  #used = 1;
  readonly #free: number[] = [];
  #levels = new Uint8Array(0);
  #wanted = new Uint8Array(0);
  #since = new Float32Array(0);
  #seen = new Float32Array(0);
  readonly #state: RuleState = { level: 0, wanted: 0, wantedSince: 0, seen: 0 };

  constructor(rules: readonly HealthRule[]) {
    this.rules = rules;
  }

  /** A new endpoint in this slot: the rules begin where its last record left them. */
  begin(slot: number, known: readonly { readonly rule: string; readonly state: string }[]): void {
    if (slot >= this.#rows.length) this.#rows = grown(this.#rows, slot + 1);
    this.#release(slot);
    for (const [i, { name }] of this.rules.entries()) {
      const level = levelNamed(known.find(({ rule }) => rule === name)?.state);
      this.set(slot, i, { level, wanted: level, wantedSince: 0, seen: 0 });
    }
  }

  #isNormal(slot: number): boolean {
    return this.#rows[slot] === 0;
  }

  /** Overwritten by the next call. */
  get(slot: number, rule: number): RuleState {
    const row = this.#rows[slot] as number;
    const at = row * this.rules.length + rule;
    this.#state.level = row === 0 ? 0 : (this.#levels[at] as Level);
    this.#state.wanted = row === 0 ? 0 : (this.#wanted[at] as Level);
    this.#state.wantedSince = row === 0 ? 0 : (this.#since[at] as number);
    this.#state.seen = row === 0 ? 0 : (this.#seen[at] as number);
    return this.#state;
  }

  set(slot: number, rule: number, { level, wanted, wantedSince, seen }: RuleState): void {
    if (this.#isNormal(slot)) {
      if (level === 0 && wanted === 0) return;
      this.#rows[slot] = this.#add();
    }
    const row = this.#rows[slot] as number;
    const at = row * this.rules.length + rule;
    this.#levels[at] = level;
    this.#wanted[at] = wanted;
    this.#since[at] = wantedSince;
    this.#seen[at] = seen;
    if (level === 0 && wanted === 0 && this.#isEmpty(row)) this.#release(slot);
  }

  #release(slot: number): void {
    const row = this.#rows[slot] ?? 0;
    if (row === 0) return;
    this.#rows[slot] = 0;
    this.#free.push(row);
  }

  #isEmpty(row: number): boolean {
    const { length } = this.rules;
    for (let at = row * length; at < (row + 1) * length; at += 1) {
      if (this.#levels[at] !== 0 || this.#wanted[at] !== 0) return false;
    }
    return true;
  }

  #add(): number {
    const row = this.#free.pop() ?? this.#used++;
    const { length } = this.rules;
    if ((row + 1) * length > this.#levels.length) {
      this.#levels = grown(this.#levels, (row + 1) * length);
      this.#wanted = grown(this.#wanted, (row + 1) * length);
      this.#since = grown(this.#since, (row + 1) * length);
      this.#seen = grown(this.#seen, (row + 1) * length);
    }
    this.#levels.fill(0, row * length, (row + 1) * length);
    this.#wanted.fill(0, row * length, (row + 1) * length);
    this.#seen.fill(0, row * length, (row + 1) * length);
    return row;
  }
}

type Column = Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

function grown<T extends Column>(column: T, needed: number): T {
  const larger = new (column.constructor as new (length: number) => T)(Math.ceil(needed * 1.25));
  larger.set(column);
  return larger;
}
