import type { PartialUpdate } from '@muster/messages';
import { forEachRow, LIMITS, measureRows, type WarningsBody } from '@muster/protocol';
import {
  AnswerBlockWriter,
  encodeNumberSet,
  GroupBlockWriter,
  type AnswerWarning,
  type Failure,
  type ResultForm,
} from '@muster/records';

/** What one update carries, before it is addressed. */
export type UpdateContent = Pick<
  PartialUpdate,
  'more' | 'answered' | 'empty' | 'failures' | 'answers' | 'groups' | 'warnings'
>;

interface DistinctAnswer {
  readonly rows: Uint8Array;
  readonly nums: number[];
}

interface Group {
  readonly row: Uint8Array;
  endpoints: number;
  copies: number;
  readonly sample: number[];
}

const NOTHING = new Uint8Array(0);
/** Failures of one update: what is left beside a block of rows below the broker's limit. */
const FAILURE_BYTES_PER_UPDATE = 192 * 1024;
/** A failure's number, outcome and lengths. */
const FAILURE_OVERHEAD_BYTES = 40;

/** What became of one answer. */
export type AnswerResult = 'taken' | 'malformed' | 'over_rows' | 'over_row_bytes';

/**
 * What came for one query since the last update. Equal whole answers are combined before any row is read, because machines from one image
 * answer byte for byte alike. Only distinct answers are read row by row, and their equal rows combined.
 */
export class PartialAggregator {
  readonly #form: ResultForm;
  readonly #columns: number;
  readonly #maxRows: number;
  readonly #otherFaultOf: ((rows: Uint8Array) => string | undefined) | undefined;
  readonly #updateBytes: number;
  #distinct = new Map<string, DistinctAnswer>();
  #distinctBytes = 0;
  #blocks: Uint8Array[] = [];
  #block = new AnswerBlockWriter();
  #answered: number[] = [];
  #empty: number[] = [];
  #failures: Failure[] = [];
  #warnings: AnswerWarning[] = [];
  /** Apart from the other failures: these are withdrawn when the endpoint is back before the next update. */
  readonly #disconnected = new Map<number, Failure>();
  #size = 0;

  constructor(options: {
    readonly form: ResultForm;
    readonly columns: number;
    /** What one endpoint may answer with. */
    readonly maxRows: number;
    readonly updateBytes: number;
    /** What else is wrong with the bytes of a whole answer. */
    readonly faultOf?: (rows: Uint8Array) => string | undefined;
  }) {
    this.#form = options.form;
    this.#columns = options.columns;
    this.#maxRows = options.maxRows;
    this.#updateBytes = options.updateBytes;
    this.#otherFaultOf = options.faultOf;
  }

  /** How many endpoints have settled in here. */
  get size(): number {
    return this.#size;
  }

  /** About how many bytes wait for the next update. */
  get byteLength(): number {
    return this.#distinctBytes + this.#block.byteLength + this.#blocks.length * this.#updateBytes;
  }

  /**
   * Takes one whole answer; `rows` is only read during the call. With `attributed` it stays apart from the others, so that the coordinator
   * can still refuse it. Nothing is kept of bytes that are not rows of this query, or that hold too many or too long ones.
   */
  answer(num: number, rows: Uint8Array, attributed: boolean): AnswerResult {
    if (rows.length === 0) {
      if (this.#otherFaultOf?.(rows) !== undefined) return 'malformed';
      this.#empty.push(num);
    } else if (attributed || this.#form === 'raw') {
      const fault = this.#faultOf(rows);
      if (fault !== undefined) return fault;
      this.#addAlone(num, rows);
    } else {
      const fault = this.#combine(num, rows);
      if (fault !== undefined) return fault;
    }
    this.#size += 1;
    return 'taken';
  }

  fail(failure: Failure): void {
    if (failure[1] === 'disconnected') this.#disconnected.set(failure[0], failure);
    else this.#failures.push(failure);
    this.#size += 1;
  }

  /** What the answer of an endpoint lacks. */
  warn(num: number, warnings: WarningsBody['warnings']): void {
    for (const { code, count, message } of warnings) this.#warnings.push([num, code, count, message]);
  }

  /** The endpoint is asked again: that it was disconnected is no outcome any more. */
  returned(num: number): void {
    if (this.#disconnected.delete(num)) this.#size -= 1;
  }

  /** Takes out everything, as updates that belong together; at least one, all but the last with `more`. */
  drain(): UpdateContent[] {
    const answers = this.#blocks;
    if (this.#block.byteLength > 0) answers.push(this.#block.bytes());
    const contents = [
      ...answers.map((block) => ({ ...EMPTY, answers: block })),
      ...this.#groupBlocks().map((block) => ({ ...EMPTY, groups: block })),
    ];
    const last = contents.pop() ?? EMPTY;
    const failures = cutBySize([...this.#failures, ...this.#disconnected.values()]);
    const lastFailures = failures.pop() ?? [];
    contents.push(...failures.map((part) => ({ ...EMPTY, failures: part })));
    contents.push(...cutBySize(this.#warnings).map((part) => ({ ...EMPTY, warnings: part })));
    contents.push({
      ...last,
      more: false,
      answered: encodeNumberSet(this.#answered),
      empty: encodeNumberSet(this.#empty),
      failures: lastFailures,
    });
    this.#clear();
    return contents;
  }

  #clear(): void {
    this.#distinct = new Map();
    this.#distinctBytes = 0;
    this.#blocks = [];
    this.#block = new AnswerBlockWriter();
    this.#answered = [];
    this.#empty = [];
    this.#failures = [];
    this.#warnings = [];
    this.#disconnected.clear();
    this.#size = 0;
  }

  /**
   * Agents keep to the budget by themselves; one that does not must not count as answered. A row over the limit would fit into no update.
   */
  #faultOf(rows: Uint8Array): Exclude<AnswerResult, 'taken'> | undefined {
    const measure = measureRows(rows, this.#columns);
    if (measure === undefined) return 'malformed';
    if (measure.count > this.#maxRows) return 'over_rows';
    if (measure.longest > LIMITS.rowBytes) return 'over_row_bytes';
    return this.#otherFaultOf?.(rows) === undefined ? undefined : 'malformed';
  }

  #combine(num: number, rows: Uint8Array): Exclude<AnswerResult, 'taken'> | undefined {
    const key = latin1(rows);
    const known = this.#distinct.get(key);
    if (known !== undefined) {
      known.nums.push(num);
    } else {
      const fault = this.#faultOf(rows);
      if (fault !== undefined) return fault;
      this.#distinct.set(key, { rows: rows.slice(), nums: [num] });
      this.#distinctBytes += rows.length;
    }
    this.#answered.push(num);
    return undefined;
  }

  /** A single answer may be larger than an update: it is cut between rows into entries of the same number. */
  #addAlone(num: number, rows: Uint8Array): void {
    if (rows.length <= this.#updateBytes) {
      this.#addEntry(num, rows);
      return;
    }
    let from = 0;
    let until = 0;
    forEachRow(rows, this.#columns, (_start, end) => {
      if (end - from > this.#updateBytes && until > from) {
        this.#addEntry(num, rows.subarray(from, until));
        from = until;
      }
      until = end;
    });
    this.#addEntry(num, rows.subarray(from));
  }

  #addEntry(num: number, rows: Uint8Array): void {
    if (this.#block.byteLength > 0 && this.#block.byteLength + rows.length > this.#updateBytes) {
      this.#blocks.push(this.#block.bytes());
      this.#block = new AnswerBlockWriter();
    }
    this.#block.add(num, rows);
  }

  #groupBlocks(): Uint8Array[] {
    const blocks: Uint8Array[] = [];
    let block = new GroupBlockWriter();
    for (const group of combineRows(this.#distinct.values(), this.#columns)) {
      if (block.byteLength > 0 && block.byteLength + group.row.length > this.#updateBytes) {
        blocks.push(block.bytes());
        block = new GroupBlockWriter();
      }
      block.add(0, group);
    }
    if (block.byteLength > 0) blocks.push(block.bytes());
    return blocks;
  }
}

const EMPTY: UpdateContent = {
  more: true,
  answered: NOTHING,
  empty: NOTHING,
  failures: [],
  answers: NOTHING,
  groups: NOTHING,
};

/** Cuts by the most that the texts can take as UTF-8. */
function cutBySize<T extends Failure | AnswerWarning>(failures: readonly T[]): T[][] {
  const parts: T[][] = [];
  let bytes = 0;
  for (const failure of failures) {
    const size = FAILURE_OVERHEAD_BYTES + 3 * (failure[1].length + failure[3].length) + String(failure[2]).length * 3;
    const part = parts.at(-1);
    if (part === undefined || bytes + size > FAILURE_BYTES_PER_UPDATE) {
      parts.push([failure]);
      bytes = size;
    } else {
      part.push(failure);
      bytes += size;
    }
  }
  return parts;
}

/** Equal rows of different answers become one; within one answer they count as copies, not as endpoints. */
function combineRows(answers: Iterable<DistinctAnswer>, columns: number): Iterable<Group> {
  const groups = new Map<string, Group>();
  for (const { rows, nums } of answers) {
    const seen = new Set<Group>();
    forEachRow(rows, columns, (start, end) => {
      const row = rows.subarray(start, end);
      const key = latin1(row);
      let group = groups.get(key);
      if (group === undefined) {
        group = { row, endpoints: 0, copies: 0, sample: [] };
        groups.set(key, group);
      }
      group.copies += nums.length;
      if (seen.has(group)) return;
      seen.add(group);
      group.endpoints += nums.length;
      for (let i = 0; i < nums.length && group.sample.length < LIMITS.groupSample; i += 1)
        group.sample.push(nums[i] ?? 0);
    });
  }
  return groups.values();
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
