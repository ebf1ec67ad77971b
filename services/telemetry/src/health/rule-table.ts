import type { HealthRule } from './health-policy.js';
import { levelNamed, type Level, type RuleState } from './rule-state.js';

/** Where each rule is for each slot of the endpoint table, in columns: six bytes each. */
export class RuleTable {
  readonly rules: readonly HealthRule[];
  #levels = new Uint8Array(0);
  #wanted = new Uint8Array(0);
  #since = new Float32Array(0);
  readonly #state: RuleState = { level: 0, wanted: 0, wantedSince: 0 };

  constructor(rules: readonly HealthRule[]) {
    this.rules = rules;
  }

  /** A new endpoint in this slot: the rules begin where its last record left them. */
  begin(slot: number, known: readonly { readonly rule: string; readonly state: string }[]): void {
    const { length } = this.rules;
    if ((slot + 1) * length > this.#levels.length) this.#grow((slot + 1) * length);
    for (const [i, { name }] of this.rules.entries()) {
      const level = levelNamed(known.find(({ rule }) => rule === name)?.state);
      this.set(slot, i, { level, wanted: level, wantedSince: 0 });
    }
  }

  /** Overwritten by the next call. */
  get(slot: number, rule: number): RuleState {
    const at = slot * this.rules.length + rule;
    this.#state.level = this.#levels[at] as Level;
    this.#state.wanted = this.#wanted[at] as Level;
    this.#state.wantedSince = this.#since[at] as number;
    return this.#state;
  }

  set(slot: number, rule: number, { level, wanted, wantedSince }: RuleState): void {
    const at = slot * this.rules.length + rule;
    this.#levels[at] = level;
    this.#wanted[at] = wanted;
    this.#since[at] = wantedSince;
  }

  #grow(needed: number): void {
    const length = Math.ceil(needed * 1.25);
    const [levels, wanted, since] = [new Uint8Array(length), new Uint8Array(length), new Float32Array(length)];
    levels.set(this.#levels);
    wanted.set(this.#wanted);
    since.set(this.#since);
    [this.#levels, this.#wanted, this.#since] = [levels, wanted, since];
  }
}
