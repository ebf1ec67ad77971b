import type { Directory } from '@muster/directory';
import { AppError, healthRequirements, parseSelector, selectorMatches, usesHealth, type OrgId } from '@muster/protocol';
import { decodeNumberSet, encodeNumberSet, HEALTH_STATES } from '@muster/records';
import { visitInTurns } from '@muster/runtime';
import type { TelemetryClient } from '../upstream/telemetry-client.js';

export interface KnownHealthOptions {
  readonly telemetry: Pick<TelemetryClient, 'gather'>;
  readonly directory: Pick<Directory, 'endpoints'>;
}

/** The health of an endpoint by its number: `ok`, `warning`, `critical`, or `unknown` where it sends no samples. */
export type HealthOf = (num: number) => string;

/**
 * The built-in label `health`, as all telemetry services know it at the moment of asking. Where one of them does not
 * answer nothing is told: an endpoint of which nobody knows would be left out of a selection, or come into it, without
 * a word.
 */
export class KnownHealth {
  readonly #options: KnownHealthOptions;

  constructor(options: KnownHealthOptions) {
    this.#options = options;
  }

  /** @throws AppError `no_telemetry_service`, `timeout`, `broker_unavailable`. */
  async of(org: OrgId): Promise<HealthOf> {
    const { replies, partitions } = await this.#options.telemetry.gather({ t: 'health_states', org });
    if (partitions.missing.length > 0)
      throw new AppError(
        'no_telemetry_service',
        'the health of some endpoints is not known now; try again in a moment',
        {
          details: { retryAfterMs: 2_000 },
        },
      );
    const known = new Map<number, string>();
    for (const { states } of replies)
      for (const state of HEALTH_STATES) for (const num of decodeNumberSet(states[state])) known.set(num, state);
    return (num) => known.get(num) ?? 'unknown';
  }

  /**
   * For services that do not know it: the endpoints that fulfil what a selector requires of `health`, as a number set;
   * nothing where it requires nothing.
   * @throws as {@link KnownHealth.of}
   */
  async among(org: OrgId, selector: string): Promise<{ readonly among?: Uint8Array }> {
    const parsed = parseSelector(selector);
    if (!parsed.ok || !usesHealth(parsed.selector)) return {};
    const healthOf = await this.of(org);
    const required = healthRequirements(parsed.selector);
    const nums: number[] = [];
    await visitInTurns(this.#options.directory.endpoints(org), ({ num }) => {
      if (selectorMatches(required, () => healthOf(num))) nums.push(num);
    });
    return { among: encodeNumberSet(nums) };
  }
}
