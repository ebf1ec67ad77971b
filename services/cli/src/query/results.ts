import type {
  EndpointNameJson,
  FailureJson,
  GroupJson,
  QueryEvent,
  QueryJson,
  ReducedJson,
  WarningJson,
} from '@muster/api-contract';
import { uniqueNames, type JsonSqlValue } from '@muster/protocol';
import { usageError } from '../terminal/cli-error.js';
import type { TextOutput } from '../terminal/terminal.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { TableWriter, type Style } from '../terminal/table.js';
import { csvLine, valueText } from '../terminal/value-text.js';

type AnswerJson = Extract<QueryEvent, { event: 'rows' }>['answers'][number];
type Values = GroupJson['values'];

export const OUTPUTS = ['table', 'vertical', 'json', 'ndjson', 'csv'] as const;
export type Output = (typeof OUTPUTS)[number];

/** `--excel` is CSV. @throws CliError when another form was asked for */
export function excelOption(output: Output, excel: boolean | undefined): { output: Output; excel: boolean } {
  if (excel !== true) return { output, excel: false };
  if (output !== 'csv' && output !== 'table') throw usageError('--excel is for --output csv');
  return { output: 'csv', excel: true };
}

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
  /** CSV as spreadsheets need it: they take the text as UTF-8, and run none of it as a formula. */
  readonly excel?: boolean | undefined;
}

export function createWriter(options: WriterOptions): ResultWriter {
  switch (options.output) {
    case 'table':
    case 'vertical':
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
/** Rows whose columns would have less than this many cells are shown with a line for each value. */
const NARROWEST = 10;
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
    const { out, style, output } = this.#options;
    const vertical = output === 'vertical' ? 'always' : NARROWEST;
    return (this.#table ??= new TableWriter({ headers, numeric: this.#numeric, width: out.columns, style, vertical }));
  }

  async #print(text: string): Promise<void> {
    if (text !== '') await this.#options.out.write(text);
  }
}

/** Without it Excel reads a file as the code page of its machine. */
const BYTE_ORDER_MARK = '\ufeff';

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
    const mark = this.#options.excel === true ? BYTE_ORDER_MARK : '';
    await this.#write(mark + csvLine(columns, this.#options.excel));
  }

  async #lines<T>(items: Iterable<T>, values: (item: T) => Values): Promise<void> {
    for (const item of items) await this.#write(csvLine(values(item), this.#options.excel));
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

class JsonLines implements ResultWriter {
  readonly #out: TextOutput;
  readonly #keys: readonly string[];

  constructor({ out, columns }: WriterOptions) {
    this.#out = out;
    this.#keys = uniqueNames(columns);
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
    const keys = uniqueNames(columns);
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
    this.#keys = uniqueNames(columns);
  }

  async answers(answers: readonly AnswerJson[]): Promise<void> {
    for (const answer of answers) for (const row of answer.rows) await this.#add(rawObject(answer, this.#keys, row));
  }

  async groups(groups: Iterable<GroupJson>): Promise<void> {
    for (const group of groups) await this.#add(groupObject(group, this.#keys));
  }

  async reduced({ columns, rows }: ReducedJson): Promise<void> {
    const keys = uniqueNames(columns);
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
