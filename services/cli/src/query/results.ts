import type {
  EndpointNameJson,
  FailureJson,
  GroupJson,
  QueryEvent,
  QueryJson,
  ReducedJson,
  WarningJson,
} from '@muster/api-contract';
import type { JsonSqlValue } from '@muster/protocol';
import type { TextOutput } from '../terminal/terminal.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { TableWriter, type Style } from '../terminal/table.js';
import { csvLine, valueText } from '../terminal/value-text.js';

type AnswerJson = Extract<QueryEvent, { event: 'rows' }>['answers'][number];
type Values = GroupJson['values'];

export const OUTPUTS = ['table', 'json', 'ndjson', 'csv'] as const;
export type Output = (typeof OUTPUTS)[number];

/** Prints the rows of one query in one output form. Each call resolves when the reader has kept up. */
export interface ResultWriter {
  answers(answers: readonly AnswerJson[]): Promise<void>;
  groups(groups: Iterable<GroupJson>): Promise<void>;
  reduced(reduced: ReducedJson): Promise<void>;
  end(query: QueryJson, failures: readonly FailureJson[], warnings: readonly WarningJson[]): Promise<void>;
}

export interface WriterOptions {
  readonly output: Output;
  readonly out: TextOutput;
  readonly style: Style;
  readonly mode: QueryJson['mode'];
  readonly columns: readonly string[];
}

export function createWriter(options: WriterOptions): ResultWriter {
  switch (options.output) {
    case 'table':
      return new TableResults(options);
    case 'csv':
      return new CsvResults(options);
    case 'ndjson':
      return new JsonLines(options);
    case 'json':
      return new JsonDocument(options);
  }
}

const HOSTS_SHOWN = 3;
const nameOf = ({ host, agentId, num }: EndpointNameJson): string => host ?? agentId ?? `#${num}`;

class TableResults implements ResultWriter {
  readonly #options: WriterOptions;
  readonly #numeric = new Set<number>();
  #table: TableWriter | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  async answers(answers: readonly AnswerJson[]): Promise<void> {
    const table = this.#open(['host', ...this.#options.columns]);
    for (const answer of answers) {
      for (const row of answer.rows) await this.#print(table.add([nameOf(answer), ...row.map(valueText)]));
    }
  }

  async groups(groups: Iterable<GroupJson>): Promise<void> {
    this.#numeric.add(0);
    const table = this.#open(['endpoints', ...this.#options.columns, 'seen on']);
    for (const { endpoints, sample, values } of groups) {
      const more = endpoints - Math.min(sample.length, HOSTS_SHOWN);
      const hosts = sample.slice(0, HOSTS_SHOWN).map(nameOf).join(', ') + (more > 0 ? ` +${more}` : '');
      await this.#print(table.add([String(endpoints), ...values.map(valueText), hosts]));
    }
  }

  async reduced({ columns, rows }: ReducedJson): Promise<void> {
    const table = this.#open(columns);
    for (const row of rows) await this.#print(table.add(row.map(valueText)));
  }

  async end(): Promise<void> {
    await this.#print(this.#table?.end() ?? '');
  }

  #open(headers: readonly string[]): TableWriter {
    const { out, style } = this.#options;
    return (this.#table ??= new TableWriter({ headers, numeric: this.#numeric, width: out.columns, style }));
  }

  async #print(text: string): Promise<void> {
    if (text !== '') await this.#options.out.write(text);
  }
}

class CsvResults implements ResultWriter {
  readonly #options: WriterOptions;
  #begun = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  async answers(answers: readonly AnswerJson[]): Promise<void> {
    await this.#head(['agent_id', 'host', ...this.#options.columns]);
    for (const { agentId, host, rows } of answers) await this.#lines(rows, (row) => [agentId, host, ...row]);
  }

  async groups(groups: Iterable<GroupJson>): Promise<void> {
    await this.#head(['endpoints', ...this.#options.columns]);
    await this.#lines(groups, ({ endpoints, values }) => [endpoints, ...values]);
  }

  async reduced({ columns, rows }: ReducedJson): Promise<void> {
    await this.#head(columns);
    await this.#lines(rows, (row) => row);
  }

  async end(): Promise<void> {}

  async #head(columns: readonly string[]): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    await this.#write(csvLine(columns));
  }

  async #lines<T>(items: Iterable<T>, values: (item: T) => Values): Promise<void> {
    for (const item of items) await this.#write(csvLine(values(item)));
  }

  /** A file gets the exact bytes; a terminal gets escaped ones. */
  async #write(line: string): Promise<void> {
    const { out } = this.#options;
    await out.write(out.isTTY ? `${escapeControls(line.trimEnd())}\n` : line);
  }
}

/** One object per row: its endpoint, and `row` by column name. The row is nested so that no column can pose as the endpoint. */
function rawObject({ agentId, host }: EndpointNameJson, keys: readonly string[], values: Values): object {
  return { agentId, host, row: rowObject(keys, values) };
}

function groupObject({ endpoints, copies, sample, values }: GroupJson, keys: readonly string[]): object {
  return {
    endpoints,
    copies,
    sample: sample.map(({ agentId, host }) => ({ agentId, host })),
    row: rowObject(keys, values),
  };
}

function rowObject(keys: readonly string[], values: Values): Record<string, JsonSqlValue> {
  return Object.fromEntries(keys.map((key, i) => [key, values[i] ?? null]));
}

/** SQL allows duplicate column names, JSON objects do not: the second `name` becomes `name_2`. */
export function uniqueKeys(columns: readonly string[]): string[] {
  const used = new Set<string>();
  return columns.map((column) => {
    let key = column;
    for (let i = 2; used.has(key); i += 1) key = `${column}_${i}`;
    used.add(key);
    return key;
  });
}

class JsonLines implements ResultWriter {
  readonly #out: TextOutput;
  readonly #keys: readonly string[];

  constructor({ out, columns }: WriterOptions) {
    this.#out = out;
    this.#keys = uniqueKeys(columns);
  }

  async answers(answers: readonly AnswerJson[]): Promise<void> {
    for (const answer of answers) {
      const text = answer.rows.map((row) => `${safeJson(rawObject(answer, this.#keys, row))}\n`).join('');
      if (text !== '') await this.#out.write(text);
    }
  }

  async groups(groups: Iterable<GroupJson>): Promise<void> {
    for (const group of groups) await this.#out.write(`${safeJson(groupObject(group, this.#keys))}\n`);
  }

  async reduced({ columns, rows }: ReducedJson): Promise<void> {
    const keys = uniqueKeys(columns);
    for (const row of rows) await this.#out.write(`${safeJson({ row: rowObject(keys, row) })}\n`);
  }

  async end(): Promise<void> {}
}

/** One document, written as rows come: `{"rows":[…],"failures":[…],"warnings":[…],"query":{…}}` with the same row objects as ndjson. */
class JsonDocument implements ResultWriter {
  readonly #out: TextOutput;
  readonly #keys: readonly string[];
  #rows = 0;

  constructor({ out, columns }: WriterOptions) {
    this.#out = out;
    this.#keys = uniqueKeys(columns);
  }

  async answers(answers: readonly AnswerJson[]): Promise<void> {
    for (const answer of answers) for (const row of answer.rows) await this.#add(rawObject(answer, this.#keys, row));
  }

  async groups(groups: Iterable<GroupJson>): Promise<void> {
    for (const group of groups) await this.#add(groupObject(group, this.#keys));
  }

  async reduced({ columns, rows }: ReducedJson): Promise<void> {
    const keys = uniqueKeys(columns);
    for (const row of rows) await this.#add({ row: rowObject(keys, row) });
  }

  async end(query: QueryJson, failures: readonly FailureJson[], warnings: readonly WarningJson[]): Promise<void> {
    const head = this.#rows === 0 ? '{"rows":[' : '\n';
    const list = failures.map(({ agentId, host, outcome, code, message }) => ({
      agentId,
      host,
      outcome,
      code,
      message,
    }));
    const lacks = warnings.map(({ agentId, host, code, count, message }) => ({ agentId, host, code, count, message }));
    await this.#out.write(
      `${head}],\n"failures":${safeJson(list)},\n"warnings":${safeJson(lacks)},\n"query":${safeJson(query)}}\n`,
    );
  }

  async #add(object: object): Promise<void> {
    await this.#out.write(`${this.#rows === 0 ? '{"rows":[' : ','}\n${safeJson(object)}`);
    this.#rows += 1;
  }
}
