import type { ApiProblem } from '@muster/api-client';
import { escapeControls } from '../terminal/escape.js';

/** What a problem may point into. */
export interface QuestionTexts {
  readonly sql: string;
  readonly selector?: string | undefined;
  readonly reduce?: string | undefined;
}

/**
 * The line of the question at which it stopped making sense, with a mark below the place, as compilers show it; nothing when the problem names
 * no place. Positions are the server's: `field`, then `line` and `column` from 1, or `offset` from 0.
 */
export function faultExcerpt(error: ApiProblem, question: QuestionTexts): readonly string[] {
  const { field, line, column, offset, code } = error.problem;
  const text = field === 'reduce' ? question.reduce : code === 'bad_selector' ? question.selector : question.sql;
  if (text === undefined) return [];
  const place =
    typeof line === 'number' && typeof column === 'number'
      ? { line, column }
      : typeof offset === 'number'
        ? placeOf(text, offset)
        : undefined;
  const source = place && text.split('\n')[place.line - 1];
  if (place === undefined || source === undefined) return [];
  // What is before the mark is escaped by itself, so that the mark stands below the right cell.
  const before = escapeControls(source.slice(0, place.column - 1));
  const gutter = `  ${place.line} | `;
  return [
    `${gutter}${before}${escapeControls(source.slice(place.column - 1))}`,
    `${' '.repeat(gutter.length + before.length)}^`,
  ];
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
