import type { ApiProblem } from '@muster/api-client';
import { escapeControls } from '../terminal/escape.js';

/** The texts that a problem may point into. */
export interface QuestionTexts {
  readonly sql?: string | undefined;
  readonly selector?: string | undefined;
  readonly reduce?: string | undefined;
}

/**
 * The faulty line of the question with a mark below the place, as compilers show it; empty when the problem names no place.
 * Positions come from the server: `field`, and `line` and `column` from 1 or `offset` from 0.
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
  // The text before the mark is escaped on its own, so that the mark stands below the right cell.
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
