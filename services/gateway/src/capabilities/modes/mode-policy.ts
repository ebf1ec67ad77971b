import { LIMITS, selectorSchema, SESSION_MODES, type Selector, type SessionMode } from '@muster/protocol';
import { parseDocument, parseDurationMs, type ParsedDocument } from '@muster/runtime';
import { z } from 'zod';
import { isPerEndpoint, profileMatches, type Profile } from '../../foundation/profile.js';
import type { SessionView } from '../../foundation/session-view.js';

/** A channel, and how often to come where it is Poll. */
export interface ModeSetting {
  readonly mode: SessionMode;
  readonly intervalMs: number;
}

/** The policy's answer for an agent, and the rule that gave it. */
export interface PolicyAnswer extends ModeSetting {
  readonly reason: string;
}

const { pollIntervalMs, pollIntervalMinMs, pollIntervalMaxMs } = LIMITS;

const interval = z.string().transform((text, context): number => {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= pollIntervalMinMs && ms <= pollIntervalMaxMs) return ms;
  context.addIssue({ code: 'custom', message: 'must be a duration such as 60s, from 1s to 24h' });
  return z.NEVER;
});

const rule = z
  .strictObject({
    selector: selectorSchema.refine(
      (parsed) => !parsed.selector.some(({ key }) => key === 'mode'),
      'must not look at `mode`: the rule is what decides it',
    ),
    mode: z.enum(SESSION_MODES).optional(),
    interval: interval.optional(),
  })
  .refine(({ mode, interval: ms }) => mode !== undefined || ms !== undefined, 'needs a mode, an interval, or both');

const schema = z.strictObject({ rules: z.array(rule) }).transform(({ rules }) => new ModePolicy(rules));

/** Reads a policy file. Reports every fault at once. */
export function parseModePolicy(text: string): ParsedDocument<ModePolicy> {
  return parseDocument(text, schema);
}

const UNRULED: PolicyAnswer = { mode: 'live', intervalMs: pollIntervalMs, reason: 'default' };

/** Which channel agents use unless an operator overrides it: of the rules that match an agent, the first one counts. */
export class ModePolicy {
  readonly #rules: readonly { readonly selector: Selector; readonly answer: PolicyAnswer }[];
  readonly #isPerEndpoint: boolean;
  readonly #known = new WeakMap<Profile, PolicyAnswer>();

  constructor(rules: readonly z.output<typeof rule>[] = []) {
    this.#rules = rules.map(
      ({ selector: { text, selector }, mode = 'live', interval: intervalMs = pollIntervalMs }) => ({
        selector,
        answer: { mode, intervalMs, reason: `policy: ${text}`.slice(0, LIMITS.reasonBytes) },
      }),
    );
    this.#isPerEndpoint = this.#rules.some(({ selector }) => isPerEndpoint(selector));
  }

  /** The same object for all agents that one rule matches. Evaluated once per profile, unless a rule looks at id or host. */
  answerFor(session: Pick<SessionView, 'profile' | 'agentId' | 'host'>): PolicyAnswer {
    const { profile } = session;
    if (profile === undefined || this.#rules.length === 0) return UNRULED;
    if (this.#isPerEndpoint) return this.#evaluate(profile, session);
    const known = this.#known.get(profile) ?? this.#evaluate(profile, session);
    this.#known.set(profile, known);
    return known;
  }

  #evaluate(profile: Profile, session: Pick<SessionView, 'agentId' | 'host'>): PolicyAnswer {
    return this.#rules.find(({ selector }) => profileMatches(selector, profile, session))?.answer ?? UNRULED;
  }
}
