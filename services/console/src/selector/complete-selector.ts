import type { LabelListJson } from '@muster/api-contract';

/** A way to go on with a selector. */
export interface Suggestion {
  readonly text: string;
  readonly note: string;
  /** What follows the text when it is taken. */
  readonly tail: string;
}

export interface Completion {
  /** The part of the text that a suggestion replaces. */
  readonly from: number;
  readonly to: number;
  readonly suggestions: readonly Suggestion[];
}

const MOST = 12;
const BUILT_IN = ['id', 'host', 'health'];
const HEALTH = ['ok', 'warning', 'critical', 'unknown'];

/** What may follow at a place of a selector: names of labels, operators, values with how many endpoints have them. */
export function completeSelector(text: string, caret: number, labels: LabelListJson['items']): Completion {
  const before = text.slice(0, caret);
  const word = /[\w./*-]*$/.exec(before)?.[0] ?? '';
  const from = caret - word.length;
  const lead = before.slice(0, from);
  const within = { from, to: caret };
  const inList = /([\w./-]+)\s+(?:not)?in\s*\(([^()]*)$/.exec(lead);
  const equals = /([\w./-]+)\s*(?:==?|!=)\s*$/.exec(lead);
  const key = inList?.[1] ?? equals?.[1];
  if (key !== undefined) {
    const given = (inList?.[2] ?? '').split(',').map((value) => value.trim());
    const values = valuesOf(key, labels).filter(({ text: value }) => !given.includes(value));
    return { ...within, suggestions: matching(values, word) };
  }
  if (/(^|,)\s*!?\s*$/.test(lead)) {
    const names: Suggestion[] = [
      ...labels.map(({ key: name, endpoints }) => ({ text: name, note: `${endpoints} endpoints`, tail: '=' })),
      ...BUILT_IN.map((name) => ({ text: name, note: 'built in', tail: '=' })),
    ];
    const isWhole = labels.some((label) => label.key === word) || BUILT_IN.includes(word);
    return {
      ...within,
      suggestions: isWhole ? operators() : matching(names, word),
      ...(isWhole ? { from: caret } : {}),
    };
  }
  return { ...within, suggestions: [] };
}

function operators(): readonly Suggestion[] {
  return [
    { text: '=', note: 'is', tail: '' },
    { text: '!=', note: 'is not', tail: '' },
    { text: ' in (', note: 'is one of', tail: '' },
    { text: ' notin (', note: 'is none of', tail: '' },
    { text: ',', note: 'and', tail: '' },
  ];
}

function valuesOf(key: string, labels: LabelListJson['items']): readonly Suggestion[] {
  if (key === 'health') return HEALTH.map((text) => ({ text, note: '', tail: '' }));
  const label = labels.find((one) => one.key === key);
  return (label?.values ?? []).map(({ value, endpoints }) => ({ text: value, note: String(endpoints), tail: '' }));
}

/** Those that begin with the word come before those that hold it. */
function matching(suggestions: readonly Suggestion[], word: string): readonly Suggestion[] {
  const wanted = word.toLowerCase();
  const found = suggestions.filter(({ text }) => text.toLowerCase().includes(wanted) && text !== word);
  const begins = (one: Suggestion): number => (one.text.toLowerCase().startsWith(wanted) ? 0 : 1);
  return found.sort((one, other) => begins(one) - begins(other)).slice(0, MOST);
}

/** The text after a suggestion was taken, and where the caret stands. */
export function takeSuggestion(
  text: string,
  { from, to }: Completion,
  one: Suggestion,
): { text: string; caret: number } {
  const put = one.text + one.tail;
  return { text: text.slice(0, from) + put + text.slice(to), caret: from + put.length };
}
