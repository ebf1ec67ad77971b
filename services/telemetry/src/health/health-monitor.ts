import type { Endpoint } from '@muster/directory';
import type { EndpointHealth } from '@muster/messages';
import { HEALTH_STATES, type FailingRule, type HealthState } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { EndpointTable } from '../samples/endpoint-table.js';
import { VITALS } from '../samples/vitals.js';
import { SILENT, type HealthPolicy, type HealthRule } from './health-policy.js';
import type { HealthRecords } from './health-records.js';
import { levelNamed, stepRule, thresholdOf, type Level } from './rule-state.js';
import { RuleTable } from './rule-table.js';
import type { Silence } from './silence-recorder.js';

export interface HealthMonitorOptions {
  readonly clock: Clock;
  readonly table: EndpointTable;
  readonly records: Pick<HealthRecords, 'get' | 'write'>;
  readonly policy: () => HealthPolicy;
  readonly endpointOf: (num: number) => Endpoint | undefined;
}

/** Samples further apart than so many intervals have a silence between them: one that is lost is none. */
const GAP_INTERVALS = 2.5;
/** Where the gateway does not say how often samples come. */
const USUAL_MS = 60_000;

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
   * A new sample is in this slot. One that is not newer than the one which the last change was judged by says nothing
   * new: after a partition was taken over keyframes come again that are an hour old.
   */
  judge(slot: number): void {
    const { table } = this.#options;
    if (!this.#isNews(slot)) return;
    const atSeconds = (table.takenMs[slot] as number) / 1_000;
    const maxGapSeconds = (GAP_INTERVALS * ((table.everyMs[slot] as number) || USUAL_MS)) / 1_000;
    const { rules } = this.#rules;
    const broken: FailingRule[] = [];
    for (let i = 0; i < rules.length; i += 1) {
      const rule = rules[i] as HealthRule;
      const value = table.vital(slot, this.#vitals[i] as number);
      const state = this.#rules.get(slot, i);
      stepRule(rule, state, value, { atSeconds, maxGapSeconds });
      this.#rules.set(slot, i, state);
      if (state.level > 0) {
        broken.push({ rule: rule.name, state: nameOf(state.level), ...judged(value, thresholdOf(rule, state.level)) });
      }
    }
    this.#record({ ...sampleOf(table, slot), atMs: table.receivedMs[slot] as number }, broken);
  }

  /** What is to be recorded of an endpoint that has a session and sends no samples any more; undefined where that is well. */
  silenceOf(slot: number): Silence | undefined {
    const { clock, table } = this.#options;
    if (this.#policy.silent === 'ok') return undefined;
    const atMs = (table.receivedMs[slot] as number) + clock.monotonic() - (table.takenMs[slot] as number);
    return { ...sampleOf(table, slot), partition: table.partitions[slot] as number, atMs: Math.round(atMs) };
  }

  /** Begins to record that. Returns whether it is recorded already: if not, ask again. */
  recordSilence(silence: Silence): boolean {
    const state = this.#policy.silent;
    return state === 'ok' || this.#record(silence, [{ rule: SILENT, state }]);
  }

  /** The policy has changed: all endpoints are judged by the new one from now on. */
  policyChanged(): void {
    const { table, policy } = this.#options;
    this.#policy = policy();
    this.#rules = new RuleTable(this.#policy.rules);
    this.#vitals = vitalsOf(this.#policy);
    for (let slot = 0; slot < table.end; slot += 1) if (table.nums[slot] !== 0) this.begin(slot);
  }

  /**
   * What is recorded of an endpoint, with the values of its newest sample and the thresholds of the policy; undefined
   * of one that has always been well.
   */
  of(num: number): EndpointHealth | undefined {
    const { table, records } = this.#options;
    const known = records.get(num);
    if (known === undefined) return undefined;
    const slot = table.slotOf(num);
    const rules = known.rules.map((failing) => {
      const i = this.#rules.rules.findIndex(({ name }) => name === failing.rule);
      const value = slot === undefined || i < 0 ? Number.NaN : table.vital(slot, this.#vitals[i] as number);
      const threshold = i < 0 ? undefined : thresholdOf(this.#rules.rules[i] as HealthRule, levelNamed(failing.state));
      return { ...failing, sinceMs: failing.sinceMs ?? known.atMs, ...judged(value, threshold) };
    });
    return { state: known.state, sinceMs: known.atMs, rules };
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

  /**
   * By session and number, not by time: the clocks of two gateways may differ by any time. Records of older
   * versions have only the time.
   */
  #isNews(slot: number): boolean {
    const { table, records } = this.#options;
    const known = records.get(table.nums[slot] as number);
    if (known === undefined) return true;
    const { epoch, sampleSeq = 0, atMs } = known;
    if (epoch === undefined) return (table.receivedMs[slot] as number) > atMs;
    const itsEpoch = table.epochs[slot] as number;
    return itsEpoch > epoch || (itsEpoch === epoch && (table.seqs[slot] as number) > sampleSeq);
  }

  /** Returns whether that is what is recorded already. */
  #record({ num, atMs, epoch, sampleSeq }: Judged, rules: readonly FailingRule[]): boolean {
    const { records, endpointOf } = this.#options;
    const known = records.get(num);
    if (isSame(rules, known?.rules ?? [])) return true;
    const endpoint = endpointOf(num);
    if (endpoint === undefined) return true;
    const state = nameOf(rules.reduce<Level>((worst, rule) => Math.max(worst, levelNamed(rule.state)) as Level, 0));
    const { org, agentId } = endpoint;
    const since = (failing: FailingRule): number => {
      const same = known?.rules.find((other) => isSameRule(other, failing));
      return same === undefined ? atMs : (same.sinceMs ?? known?.atMs ?? atMs);
    };
    const timed = rules.map((failing) => ({ ...failing, sinceMs: since(failing) }));
    records.write({ atMs, org, agentId, num, state, before: known?.state ?? 'ok', rules: timed, epoch, sampleSeq });
    return false;
  }
}

/** The sample that an endpoint is judged by, and when that was. */
type Judged = Omit<Silence, 'partition'>;

const sampleOf = ({ nums, epochs, seqs }: EndpointTable, slot: number): Omit<Judged, 'atMs'> => ({
  ...{ num: nums[slot] as number, epoch: epochs[slot] as number, sampleSeq: seqs[slot] as number },
});
const vitalsOf = ({ rules }: HealthPolicy): number[] => rules.map(({ vital }) => VITALS.indexOf(vital));
const nameOf = (level: Level): HealthState => HEALTH_STATES[level] ?? 'ok';

/** The values that the rules judge by change with every sample. */
function isSame(rules: readonly FailingRule[], others: readonly FailingRule[]): boolean {
  if (rules.length !== others.length) return false;
  return rules.every((failing) => others.some((other) => isSameRule(other, failing)));
}

const isSameRule = (a: FailingRule, b: FailingRule): boolean => a.rule === b.rule && a.state === b.state;

function judged(value: number, threshold: number | undefined): Pick<FailingRule, 'value' | 'threshold'> {
  return { ...(Number.isNaN(value) ? {} : { value }), ...(threshold === undefined ? {} : { threshold }) };
}
