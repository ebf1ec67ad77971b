/** A row of one side, each value as text; NULL is the empty text, as in osqueryi. */
export type TextRow = Readonly<Record<string, string>>;

/** What is asked of both sides. */
export interface TableCase {
  readonly table: string;
  /** Of osqueryi, and of ours with the columns written out in place of `*`. Default: the whole table. */
  readonly from?: string;
  /** Columns that name a row. Needed when another column moves. */
  readonly key?: readonly string[];
  /** Numbers and times that move between two readings, and how far they may be from both of ours (times: milliseconds). */
  readonly moves?: Readonly<Record<string, number>>;
  /** Rows that must be there, so that nothing equals nothing. Default 1. */
  readonly atLeast?: number;
}

/** Our rows before and after osqueryi was asked, and its rows. */
export interface Readings {
  readonly before: readonly TextRow[];
  readonly theirs: readonly TextRow[];
  readonly after: readonly TextRow[];
}

/** One difference, in words. */
export function compareRows(one: TableCase, readings: Readings): string[] {
  const columns = Object.keys(readings.theirs[0] ?? readings.before[0] ?? {});
  const missing = columns.filter((column) => readings.before[0] !== undefined && !(column in readings.before[0]));
  if (missing.length > 0) return [`${one.table}: our rows have no ${missing.join(', ')}`];
  const enough = one.atLeast ?? 1;
  const short =
    readings.before.length < enough ? [`${one.table}: we have ${readings.before.length} of ${enough} rows`] : [];
  const differences = one.key === undefined ? compareSets(columns, readings) : compareByKey(one, columns, readings);
  return [...short, ...differences.map((text) => `${one.table}: ${text}`)];
}

/** A row that both of our readings have must be theirs, and each of theirs must be in one of ours; as often as it is there. */
function compareSets(columns: readonly string[], { before, theirs, after }: Readings): string[] {
  const [first, other, last] = [before, theirs, after].map((rows) => countRows(rows, columns)) as [
    Counts,
    Counts,
    Counts,
  ];
  const onlyOurs = [...first].flatMap(([row, count]) =>
    Math.min(count, last.get(row) ?? 0) > (other.get(row) ?? 0) ? [`only Muster has ${row}`] : [],
  );
  const onlyTheirs = [...other].flatMap(([row, count]) =>
    Math.max(first.get(row) ?? 0, last.get(row) ?? 0) < count ? [`only osquery has ${row}`] : [],
  );
  return [...onlyTheirs, ...onlyOurs];
}

type Counts = ReadonlyMap<string, number>;

function countRows(rows: readonly TextRow[], columns: readonly string[]): Counts {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const text = JSON.stringify(Object.fromEntries(columns.map((column) => [column, row[column] ?? ''])));
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

function compareByKey({ key = [], moves = {} }: TableCase, columns: readonly string[], readings: Readings): string[] {
  const nameOf = (row: TextRow): string => key.map((column) => row[column] ?? '').join(' ');
  const [before, theirs, after] = [readings.before, readings.theirs, readings.after].map(
    (rows) => new Map(rows.map((row) => [nameOf(row), row])),
  ) as [Map<string, TextRow>, Map<string, TextRow>, Map<string, TextRow>];
  const ours = [...before.keys()].filter((name) => after.has(name) && !theirs.has(name));
  const cells = [...theirs].flatMap(([name, row]) => {
    const [first, last] = [before.get(name) ?? after.get(name), after.get(name) ?? before.get(name)];
    if (first === undefined || last === undefined) return [`only osquery has ${name}`];
    return columns.flatMap((column) => {
      const [value = '', one = '', two = ''] = [row[column], first[column], last[column]];
      if (value === one || value === two || isBetween(value, [one, two], moves[column])) return [];
      return [`${name} ${column}: osquery ${JSON.stringify(value)}, Muster ${JSON.stringify(one)}`];
    });
  });
  return [...ours.map((name) => `only Muster has ${name}`), ...cells];
}

function isBetween(value: string, ours: readonly string[], slack: number | undefined): boolean {
  if (slack === undefined) return false;
  const [number, ...bounds] = [value, ...ours].map(numberOf);
  if (number === undefined || [number, ...bounds].some(Number.isNaN)) return false;
  return number >= Math.min(...bounds) - slack && number <= Math.max(...bounds) + slack;
}

function numberOf(text: string): number {
  const number = Number(text);
  return Number.isNaN(number) ? Date.parse(text) : number;
}
