/** A row of an answer: texts and numbers in the order in which the script selects them. */
export interface AnswerRow {
  /** As Latin-1, as names of the system are elsewhere; empty where it is none. */
  text(index: number): string;
  /** `NaN` where it is none. Raw counters are whole numbers that are not negative. */
  number(index: number): number;
}

/** The largest raw counter. */
const MAX_COUNTER = 2 ** 64;
/** More rows than this are not read. */
const MAX_ROWS = 20_000;

/** An answer of the script: lists of rows by name. `undefined` when it is no answer. */
export function readAnswer(latin1: string): ((name: string) => readonly AnswerRow[] | undefined) | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(latin1);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const members = new Map<string, unknown>(Object.entries(parsed));
  return (name) => {
    const rows = members.get(name);
    return Array.isArray(rows) ? rows.slice(0, MAX_ROWS).filter(Array.isArray).map(rowOf) : undefined;
  };
}

function rowOf(cells: readonly unknown[]): AnswerRow {
  return {
    text: (index) => {
      const cell = cells[index];
      return typeof cell === 'string' ? Buffer.from(cell).toString('latin1') : '';
    },
    number: (index) => {
      const cell = cells[index];
      return typeof cell === 'number' && Number.isInteger(cell) && cell >= 0 && cell <= MAX_COUNTER ? cell : Number.NaN;
    },
  };
}
