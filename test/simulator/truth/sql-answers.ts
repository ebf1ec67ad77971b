import { createSqlEngine, TABLES, type ExecuteResult, type SqlEngine, type TableProvider } from '@muster/tables';
import { DEFAULT_BUDGET, type Budget, type QueryBody } from '@muster/protocol';
import { RowsAnswer, type Answer, type AnswerSource, type EndedAnswer } from './answer.js';
import type { Machine } from '../machine/machine.js';
import { MACHINE_TABLES, rowsOf } from '../machine/machine-tables.js';
import type { Row } from '../machine/simulated-table.js';

/** Statements whose answers are cached. */
const STATEMENTS = 64;

type Query = Pick<QueryBody, 'sql' | 'budget'>;

interface Statement {
  /** Whether machines of one image give the same answer. */
  readonly perImage: boolean;
  readonly answers: Map<string, Answer>;
}

/** Provides the rows of the machine that is set. */
class MachineTableProvider implements TableProvider {
  machine: Machine | undefined;

  has(table: string): boolean {
    return this.machine !== undefined && MACHINE_TABLES[this.machine.profile.os].has(table);
  }

  // Constraints are left to SQLite, which checks every row anyway: these tables are small and in memory.
  collect(table: string): Iterable<Row> {
    return this.machine === undefined ? [] : rowsOf(this.machine, table);
  }
}

/**
 * Answers queries with SQLite over the rows of simulated machines. One engine serves all machines, one after the other. What machines of
 * one image share is computed once per image; functions of time or chance then give the same value for all of them.
 */
export class SqlAnswers implements AnswerSource {
  readonly #statements = new Map<string, Statement>();
  readonly #provider: MachineTableProvider;
  readonly #engine: SqlEngine;
  #lastQuery: Query | undefined;
  #lastStatement: Statement | undefined;

  private constructor(engine: SqlEngine, provider: MachineTableProvider) {
    this.#engine = engine;
    this.#provider = provider;
  }

  static async create(): Promise<SqlAnswers> {
    const provider = new MachineTableProvider();
    const engine = await createSqlEngine({ tables: TABLES, provider, platform: 'this machine' });
    return new SqlAnswers(engine, provider);
  }

  answer(machine: Machine, query: Query): Answer {
    const statement = this.#statementOf(query);
    // A machine that a command has changed differs from its image.
    const perImage = statement.perImage && machine.changes === undefined;
    const known = perImage ? statement.answers.get(machine.image) : undefined;
    if (known !== undefined) return known;
    const answer = this.#execute(machine, query.sql, query.budget);
    if (perImage) statement.answers.set(machine.image, answer);
    return answer;
  }

  /** What `machine` must answer to `sql` within the default budget. */
  expected(machine: Machine, sql: string): Answer {
    return this.answer(machine, { sql, budget: DEFAULT_BUDGET });
  }

  close(): void {
    this.#engine.close();
  }

  /** All agents of a gateway get the same query as one object, so the latest one is cached. */
  #statementOf(query: Query): Statement {
    if (query !== this.#lastQuery) {
      this.#lastQuery = query;
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
