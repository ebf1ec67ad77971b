import { selectorSchema, type Selector } from '@muster/protocol';
import { parseDocument, parseDurationMs, type ParsedDocument } from '@muster/runtime';
import { z } from 'zod';
import { isPerEndpoint, profileMatches, type Profile } from '../../foundation/profile.js';
import type { SessionView } from '../../foundation/session-view.js';

const DEFAULT_MS = 60_000;
const MIN_MS = 10_000;
const MAX_MS = 600_000;
/** The interval of endpoints that send nothing unless somebody watches. */
export const OFF = 0;

const interval = z.string().transform((text, context): number => {
  if (text === 'off') return OFF;
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= MIN_MS && ms <= MAX_MS) return ms;
  context.addIssue({ code: 'custom', message: 'must be `off`, or a duration such as 60s, from 10s to 10m' });
  return z.NEVER;
});

const rule = z.strictObject({ selector: selectorSchema, interval });
const schema = z.strictObject({ rules: z.array(rule) }).transform(({ rules }) => new MetricsPolicy(rules));

/** Reads a policy file. Reports every fault at once. */
export function parseMetricsPolicy(text: string): ParsedDocument<MetricsPolicy> {
  return parseDocument(text, schema);
}

/** How often endpoints send samples while nobody watches: of the rules that match an endpoint, the first one counts. */
export class MetricsPolicy {
  readonly #rules: readonly { readonly selector: Selector; readonly intervalMs: number }[];
  readonly #isPerEndpoint: boolean;
  readonly #known = new WeakMap<Profile, number>();

  constructor(rules: readonly z.output<typeof rule>[] = []) {
    this.#rules = rules.map(({ selector: { selector }, interval: intervalMs }) => ({ selector, intervalMs }));
    this.#isPerEndpoint = this.#rules.some(({ selector }) => isPerEndpoint(selector));
  }

  /** In milliseconds, or {@link OFF}. Evaluated once per profile, unless a rule looks at id or host. */
  intervalFor(session: Pick<SessionView, 'profile' | 'agentId' | 'host'>): number {
    const { profile } = session;
    if (profile === undefined || this.#rules.length === 0) return DEFAULT_MS;
    if (this.#isPerEndpoint) return this.#evaluate(profile, session);
    const known = this.#known.get(profile) ?? this.#evaluate(profile, session);
    this.#known.set(profile, known);
    return known;
  }

  #evaluate(profile: Profile, session: Pick<SessionView, 'agentId' | 'host'>): number {
    return this.#rules.find(({ selector }) => profileMatches(selector, profile, session))?.intervalMs ?? DEFAULT_MS;
  }
}
