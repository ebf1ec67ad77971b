import { decodeRow, forEachRow, type AgentOutcome, type SqlValue } from '@muster/protocol';
import type { Answer } from './answer.js';

/** One distinct row of a fleet's answers: how many endpoints gave it, and how many copies there are. */
export interface ExpectedGroup {
  readonly row: readonly SqlValue[];
  readonly endpoints: number;
  readonly copies: number;
}

/** The result that a fleet must give for one query. Computed from the machines, not from anything that passed a wire. */
export interface ExpectedResult {
  readonly answered: number;
  readonly empty: number;
  readonly ended: Readonly<Partial<Record<AgentOutcome, number>>>;
  readonly groups: readonly ExpectedGroup[];
}

/** Merges answers. `columns`: how many columns the query has. */
export function mergeAnswers(answers: Iterable<Answer>, columns: number): ExpectedResult {
  const repeats = new Map<Answer, number>();
  const ended: Partial<Record<AgentOutcome, number>> = {};
  let answered = 0;
  let empty = 0;
  for (const answer of answers) {
    if (answer.kind === 'ended') ended[answer.outcome] = (ended[answer.outcome] ?? 0) + 1;
    else {
      if (answer.rows === 0) empty += 1;
      else answered += 1;
      repeats.set(answer, (repeats.get(answer) ?? 0) + 1);
    }
  }
  return { answered, empty, ended, groups: groupRows(repeats, columns) };
}

function groupRows(repeats: ReadonlyMap<Answer, number>, columns: number): ExpectedGroup[] {
  const groups = new Map<string, { row: readonly SqlValue[]; endpoints: number; copies: number }>();
  for (const [answer, endpoints] of repeats) {
    if (answer.kind !== 'rows') continue;
    const inAnswer = new Set<string>();
    for (const chunk of answer.chunks) {
      forEachRow(chunk, columns, (start, end) => {
        const bytes = chunk.subarray(start, end);
        const key = Buffer.from(bytes).toString('latin1');
        const group = groups.get(key) ?? { row: decodeRow(bytes), endpoints: 0, copies: 0 };
        group.copies += endpoints;
        if (!inAnswer.has(key)) group.endpoints += endpoints;
        inAnswer.add(key);
        groups.set(key, group);
      });
    }
  }
  return [...groups.values()];
}
