import shipped from 'virtual:questions';
import { readQuestion, type Question } from './question-text.js';

const KEY = 'muster.questions';

let read: readonly Question[] | undefined;

/** The questions that come with Muster, by name. */
export function shippedQuestions(): readonly Question[] {
  read ??= Object.entries(shipped).map(([name, text]) => readQuestion(name, text));
  return read;
}

/** What somebody saved in this browser. */
export function ownQuestions(): readonly Question[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(kept) ? (kept as Question[]) : [];
  } catch {
    return [];
  }
}

/** Replaces one of the same name. Returns all. */
export function saveQuestion(question: Question): readonly Question[] {
  return kept([question, ...ownQuestions().filter((one) => one.name !== question.name)]);
}

export function forgetQuestion(name: string): readonly Question[] {
  return kept(ownQuestions().filter((one) => one.name !== name));
}

function kept(questions: readonly Question[]): readonly Question[] {
  localStorage.setItem(KEY, JSON.stringify(questions));
  return questions;
}
