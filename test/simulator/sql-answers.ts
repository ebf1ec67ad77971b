import { createSqlEngine, TABLES, type ExecuteResult, type SqlEngine, type TableProvider } from '@muster/tables';
import { DEFAULT_BUDGET, type Budget, type QueryBody } from '@muster/protocol';
import { RowsAnswer, type Answer, type AnswerSource, type EndedAnswer } from './answer.js';
import type { Machine } from './machine/machine.js';
import { MACHINE_TABLES } from './machine/machine-tables.js';
import type { Row } from './machine/simulated-table.js';

/** Statements whose answers are remembered. */
const STATEMENTS = 64;

type Question = Pick<QueryBody, 'sql' | 'budget'>;

interface Statement {
  /** Whether machines of one image give the same answer. */
  readonly perImage: boolean;
  readonly answers: Map<string, Answer>;
}

/** Gives the rows of the machine whose turn it is. */
class TurnProvider implements TableProvider {
  machine: Machine | undefined;

  has(table: string): boolean {
    return this.machine !== undefined && MACHINE_TABLES[this.machine.profile.os].has(table);
  }

  // Constraints are left to SQLite, which checks every row anyway: these tables are small and in memory.
  collect(table: string): Iterable<Row> {
    if (this.machine === undefined) return [];
    const rows = MACHINE_TABLES[this.machine.profile.os].get(table)?.rows(this.machine) ?? [];
    return this.machine.changes?.apply(table, rows) ?? rows;
  }
}

/**
 * Answers questions as SQLite does, over the rows of simulated machines: one engine for all of them, which looks at the machine whose
 * turn it is. What machines of one image share is computed once per image; functions of time or chance then give one value for all.
 */
export class SqlAnswers implements AnswerSource {
  readonly #statements = new Map<string, Statement>();
  readonly #provider: TurnProvider;
  readonly #engine: SqlEngine;
  #lastQuestion: Question | undefined;
  #lastStatement: Statement | undefined;

  private constructor(engine: SqlEngine, provider: TurnProvider) {
    this.#engine = engine;
    this.#provider = provider;
  }

  static async create(): Promise<SqlAnswers> {
    const provider = new TurnProvider();
    const engine = await createSqlEngine({ tables: TABLES, provider, platform: 'this machine' });
    return new SqlAnswers(engine, provider);
  }

  answer(machine: Machine, query: Question): Answer {
    const statement = this.#statementOf(query);
    // A machine that a command has changed is not like its image any more.
    const perImage = statement.perImage && machine.changes === undefined;
    const known = perImage ? statement.answers.get(machine.image) : undefined;
    if (known !== undefined) return known;
    const answer = this.#execute(machine, query.sql, query.budget);
    if (perImage) statement.answers.set(machine.image, answer);
    return answer;
  }

  /** What `machine` says to `sql` within the usual budget; for tests that compare. */
  truth(machine: Machine, sql: string): Answer {
    return this.answer(machine, { sql, budget: DEFAULT_BUDGET });
  }

  close(): void {
    this.#engine.close();
  }

  /** A gateway asks everybody the same, and the question reaches agents as one object. */
  #statementOf(query: Question): Statement {
    if (query !== this.#lastQuestion) {
      this.#lastQuestion = query;
      this.#lastStatement = this.#statement(query.sql, query.budget);
    }
    return (this.#lastStatement ??= this.#statement(query.sql, query.budget));
  }

  #statement(sql: string, budget: Budget): Statement {
    const key = `${budget.rows} ${budget.bytes} ${sql}`;
    const known = this.#statements.get(key);
    if (known !== undefined) return known;
    const compiled = this.#engine.compile(sql);
    const perImage = !compiled.ok || compiled.tables.every(isPerImage);
    const statement: Statement = { perImage, answers: new Map() };
    this.#statements.set(key, statement);
    if (this.#statements.size > STATEMENTS) {
      const [oldest] = this.#statements.keys();
      if (oldest !== undefined) this.#statements.delete(oldest);
    }
    return statement;
  }

  #execute(machine: Machine, sql: string, budget: Budget): Answer {
    this.#provider.machine = machine;
    const chunks: Uint8Array[] = [];
    const result = this.#engine.execute(sql, {
      limits: budget,
      onRows: (rows) => {
        chunks.push(rows);
      },
    });
    return result.ok ? new RowsAnswer(chunks, result.rows) : ended(result);
  }
}

function isPerImage(table: string): boolean {
  return Object.values(MACHINE_TABLES).every((tables) => tables.get(table)?.spread !== 'host');
}

function ended(result: Exclude<ExecuteResult, { ok: true }>): EndedAnswer {
  const { code, message } = result;
  if (code === 'unsupported_table') return { kind: 'ended', outcome: 'refused', code, message };
  if (code === 'over_budget') return { kind: 'ended', outcome: 'over_budget', code: result.limit, message };
  return { kind: 'ended', outcome: 'error', code, message };
}
