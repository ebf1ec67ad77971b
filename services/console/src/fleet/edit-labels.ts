export interface LabelEdit {
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface LabelsEdited {
  readonly matched: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly failed: number;
}

/** What came of an edit. Many endpoints are edited in several calls: when one fails, those before it have had their effect. */
export interface EditOutcome {
  readonly edited: LabelsEdited;
  /** How many calls were needed, and how many were answered. */
  readonly calls: number;
  readonly answered: number;
  /** What the first call that failed has failed with; the calls after it were not made. */
  readonly error?: unknown;
}

/** Edits labels selector by selector. To edit again what has been edited changes nothing. */
export async function editLabels(
  selectors: readonly string[],
  edit: (selector: string) => Promise<LabelsEdited>,
): Promise<EditOutcome> {
  let edited: LabelsEdited = { matched: 0, changed: 0, unchanged: 0, failed: 0 };
  for (const [answered, selector] of selectors.entries()) {
    try {
      edited = sum(edited, await edit(selector));
    } catch (error) {
      return { edited, calls: selectors.length, answered, error };
    }
  }
  return { edited, calls: selectors.length, answered: selectors.length };
}

function sum(one: LabelsEdited, other: LabelsEdited): LabelsEdited {
  return {
    matched: one.matched + other.matched,
    changed: one.changed + other.changed,
    unchanged: one.unchanged + other.unchanged,
    failed: one.failed + other.failed,
  };
}

export function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

/** `env=prod site=fra` as labels. */
export function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    wordsOf(text).map((word) => {
      const at = word.indexOf('=');
      return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}
