/** Which vulnerabilities are shown. */
export interface Filters {
  /** Severities with commas between them; empty for all. */
  readonly severity: string;
  /** A part of an id or of the name of a package. */
  readonly text: string;
  readonly isExploited: boolean;
  readonly isFixable: boolean;
}

/** Choices of severity. What has no score is never left out by a choice of severe ones without a word: it is one of its own. */
export const SEVERITIES = [
  { id: '', label: 'any severity' },
  { id: 'critical', label: 'critical' },
  { id: 'critical,high', label: 'high and above' },
  { id: 'critical,high,medium', label: 'medium and above' },
  { id: 'unknown', label: 'without a score' },
] as const;

const TEXT_CHARS = 128;

/** What the address says. */
export function readFilters(search: Readonly<Record<string, unknown>>): Filters {
  const severity = SEVERITIES.find(({ id }) => id === search['severity'])?.id ?? '';
  const { filter } = search;
  return {
    severity,
    text: typeof filter === 'string' || typeof filter === 'number' ? String(filter) : '',
    isExploited: search['exploited'] === 'yes',
    isFixable: search['fixable'] === 'yes',
  };
}

/** As `GET /v1/vulnerabilities` takes them. */
export function filterQuery({ severity, text, isExploited, isFixable }: Filters) {
  const search = text.trim().slice(0, TEXT_CHARS);
  return {
    ...(severity === '' ? {} : { severity }),
    ...(search === '' ? {} : { search }),
    ...(isExploited ? { knownExploited: 'true' as const } : {}),
    ...(isFixable ? { fixable: 'true' as const } : {}),
  };
}
