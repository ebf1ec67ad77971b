import type { OrgId } from '@muster/protocol';

/** Saved questions of an org. Each change is a new version. */

export interface QuestionParameterRecord {
  readonly name: string;
  readonly type: string;
  /** As a caller of the API gives it. Absent: it must be given. */
  readonly default?: unknown;
  readonly description?: string;
}

export interface QuestionRecord {
  readonly org: OrgId;
  readonly name: string;
  /** 1 for the first; it goes on rising when a name is used again after a deletion. */
  readonly version: number;
  readonly sql: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters: readonly QuestionParameterRecord[];
  /** The selector where the caller gives none. */
  readonly target?: string;
  readonly mode?: 'group';
  readonly reduce?: string;
  readonly timeoutMs?: number;
  /** Who made it. `person`: as `@muster/identity` names them, so that a new token of the same person is no stranger. */
  readonly owner: { readonly id: string; readonly name: string; readonly person: string };
  readonly changedBy: { readonly id: string; readonly name: string };
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly deleted?: true;
}
