import type { Endpoint } from '@muster/directory';
import { HEALTH_STATES, type HealthRecord, type HealthState } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { EndpointTable } from '../samples/endpoint-table.js';
import { VITALS } from '../samples/vitals.js';
import { SILENT, type HealthPolicy, type HealthRule } from './health-policy.js';
import type { HealthRecords } from './health-records.js';
import { levelNamed, stepRule, type Level } from './rule-state.js';
import { RuleTable } from './rule-table.js';

export interface HealthMonitorOptions {
  readonly clock: Clock;
  readonly table: EndpointTable;
  readonly records: Pick<HealthRecords, 'get' | 'write'>;
  readonly policy: () => HealthPolicy;
  readonly endpointOf: (num: number) => Endpoint | undefined;
}

type Broken = HealthRecord['rules'][number];

/** Judges each endpoint by its newest sample, and records when the state of one changes. */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  #policy: HealthPolicy;
  #rules: RuleTable;
  /** The vital of each rule, by its number. */
  #vitals: readonly number[];

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
    this.#policy = options.policy();
    this.#rules = new RuleTable(this.#policy.rules);
    this.#vitals = vitalsOf(this.#policy);
  }

  /** The first sample of an endpoint in this slot. */
  begin(slot: number): void {
    const { table, records } = this.#options;
    this.#rules.begin(slot, records.get(table.nums[slot] as number)?.rules ?? []);
  }

  /**
   * A new sample is in this slot. One that the gateway received before the last change says nothing new: after a partition was taken over
   * keyframes come again that are an hour old.
   */
  judge(slot: number): void {
    const { clock, table, records } = this.#options;
    const atMs = table.receivedMs[slot] as number;
    if (atMs <= (records.get(table.nums[slot] as number)?.atMs ?? 0)) return;
    const nowSeconds = clock.monotonic() / 1_000;
    const { rules } = this.#rules;
    const broken: Broken[] = [];
    for (let i = 0; i < rules.length; i += 1) {
      const rule = rules[i] as HealthRule;
      const value = table.vital(slot, this.#vitals[i] as number);
      const state = this.#rules.get(slot, i);
      stepRule(rule, state, value, nowSeconds);
      this.#rules.set(slot, i, state);
      if (state.level > 0) {
        broken.push({ rule: rule.name, state: nameOf(state.level), ...(Number.isNaN(value) ? {} : { value }) });
      }
    }
    this.#record(table.nums[slot] as number, broken, atMs);
  }

  /** This endpoint has a session and sends no samples any more. */
  silent(slot: number): void {
    const { clock, table } = this.#options;
    const state = this.#policy.silent;
    if (state === 'ok') return;
    // By the gateway's clock, as the changes before.
    const atMs = (table.receivedMs[slot] as number) + clock.monotonic() - (table.heardMs[slot] as number);
    this.#record(table.nums[slot] as number, [{ rule: SILENT, state }], Math.round(atMs));
  }

  /** The policy has changed: all endpoints are judged by the new one from now on. */
  policyChanged(): void {
    const { table, policy } = this.#options;
    this.#policy = policy();
    this.#rules = new RuleTable(this.#policy.rules);
    this.#vitals = vitalsOf(this.#policy);
    for (let slot = 0; slot < table.end; slot += 1) if (table.nums[slot] !== 0) this.begin(slot);
  }

  /** How many of the endpoints that have a slot are in each state, as it is recorded. */
  counts(): Record<HealthState, number> {
    const { table, records } = this.#options;
    const counts = { ok: 0, warning: 0, critical: 0 };
    for (let slot = 0; slot < table.end; slot += 1) {
      const num = table.nums[slot] as number;
      if (num !== 0) counts[records.get(num)?.state ?? 'ok'] += 1;
    }
    return counts;
  }

  #record(num: number, rules: readonly Broken[], atMs: number): void {
    const { records, endpointOf } = this.#options;
    const known = records.get(num);
    if (isSame(rules, known?.rules ?? [])) return;
    const endpoint = endpointOf(num);
    if (endpoint === undefined) return;
    const state = nameOf(rules.reduce<Level>((worst, rule) => Math.max(worst, levelNamed(rule.state)) as Level, 0));
    const { org, agentId } = endpoint;
    records.write({ atMs, org, agentId, num, state, before: known?.state ?? 'ok', rules });
  }
}

const vitalsOf = ({ rules }: HealthPolicy): number[] => rules.map(({ vital }) => VITALS.indexOf(vital));
const nameOf = (level: Level): HealthState => HEALTH_STATES[level] ?? 'ok';

/** The values that the rules judge by change with every sample. */
function isSame(rules: readonly Broken[], others: readonly Broken[]): boolean {
  if (rules.length !== others.length) return false;
  return rules.every(({ rule, state }) => others.some((other) => other.rule === rule && other.state === state));
}
