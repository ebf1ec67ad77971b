import type { ChangeTerms, ExceptionTerms } from '@muster/messages';
import { AppError, parseSelector, usesHealth, type OrgId } from '@muster/protocol';
import type { ExceptionRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { DecisionStore } from './decision-store.js';
import type { PackLibrary } from '../packs/pack-library.js';

/** They are all in one reply of a list. */
const MAX_PER_ORG = 500;
const TERMS = ['pack', 'check', 'selector', 'scope', 'owner', 'reason', 'untilMs'] as const;
const MAX_MS = 2 * 366 * 86_400_000;

type Person = ExceptionRecord['by'];

export interface ExceptionRequestsOptions {
  readonly exceptions: DecisionStore<ExceptionRecord>;
  readonly packs: Pick<PackLibrary, 'find' | 'read'>;
  readonly clock: Clock;
}

/** What people do with exceptions. Who may do it, the API has looked at. */
export class ExceptionRequests {
  readonly #options: ExceptionRequestsOptions;

  constructor(options: ExceptionRequestsOptions) {
    this.#options = options;
  }

  /** Those that end first before the others. */
  list(org: OrgId): ExceptionRecord[] {
    return this.#options.exceptions.list(org).sort((a, b) => a.untilMs - b.untilMs || (a.id < b.id ? -1 : 1));
  }

  /**
   * @throws AppError `not_found` for a pack or check that is not there, `bad_request`, `bad_selector`, `conflict`,
   * `idempotency_mismatch`
   */
  create(org: OrgId, by: Person, terms: ExceptionTerms, asked?: string): Promise<ExceptionRecord> {
    const { exceptions } = this.#options;
    const id = asked ?? exceptions.newId();
    return exceptions.createOnce(
      { org, id },
      () => this.#make(org, id, by, terms),
      (there) => there.by.id === by.id && TERMS.every((key) => there[key] === terms[key]),
    );
  }

  #make(org: OrgId, id: string, by: Person, terms: ExceptionTerms): ExceptionRecord {
    const { exceptions, packs, clock } = this.#options;
    const { checks } = packs.read(packs.find(org, terms.pack));
    if (!checks.some(({ id }) => id === terms.check))
      throw new AppError('not_found', `the pack ${terms.pack} has no check ${terms.check}`);
    const parsed = parseSelector(terms.scope);
    if (!parsed.ok) throw new AppError('bad_selector', parsed.message, { details: { offset: parsed.offset } });
    if (usesHealth(parsed.selector) || parsed.selector.some(({ key }) => key === 'mode'))
      throw new AppError('bad_request', 'an exception cannot select by mode or health: they change by themselves', {
        details: { field: 'selector' },
      });
    const nowMs = clock.now();
    if (!(terms.untilMs > nowMs && terms.untilMs <= nowMs + MAX_MS))
      throw new AppError('bad_request', 'until: it must end in the future, within two years', {
        details: { field: 'until' },
      });
    if (exceptions.list(org).length >= MAX_PER_ORG)
      throw new AppError('conflict', `there are ${MAX_PER_ORG} exceptions; delete ended ones first`);
    return { kind: 'exception', id, org, ...terms, by, createdAtMs: nowMs };
  }

  async delete(org: OrgId, id: string, by: Person, terms: ChangeTerms = {}): Promise<ExceptionRecord> {
    const deleted = { by, atMs: this.#options.clock.now() };
    return this.#options.exceptions.update(org, id, (record) => ({ ...record, deleted }), terms);
  }
}
