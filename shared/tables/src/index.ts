export * from './schema/table-spec.js';
export { findTable, platformOf, TABLES, unsupportedTables } from './schema/catalogue.js';
export type { Cell, CollectRequest, Constraint, TableProvider, TableRow } from './engine/collect.js';
export type { CompileFailure, CompileFailureCode, SqlPosition } from './engine/sql-text.js';
export type { ResultColumn } from './engine/statement.js';
export type { LimitName, StatementLimits } from './engine/limits.js';
export type { RunFailure, RunResult } from './engine/guarded-database.js';
export {
  type CompiledSelect,
  createSqlEngine,
  type ExecuteOptions,
  type ExecuteResult,
  type SqlEngine,
  type SqlEngineOptions,
} from './engine/sql-engine.js';
export {
  compileReduce,
  createReducer,
  type InsertResult,
  reduceColumns,
  type Reducer,
  type ReducerOptions,
  type ReduceResult,
  type ReduceShape,
} from './engine/reducer.js';
