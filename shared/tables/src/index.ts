export * from './schema/table-spec.js';
export { findTable, TABLES } from './schema/catalogue.js';
export { checkTableAccess } from './schema/table-access.js';
export type { AnswerWarning } from './engine/answer-warnings.js';
export {
  type CollectRequest,
  type Constraint,
  lazy,
  type TableProvider,
  type TableRow,
  TableUnavailable,
  type WarningCode,
} from './engine/collect.js';
export type { CompileFailure, CompileFailureCode } from './engine/sql-text.js';
export type { StatementLimits } from './engine/limits.js';
export {
  type CompiledSelect,
  createSqlEngine,
  type ExecuteResult,
  type SqlEngine,
  type SqlEngineOptions,
} from './engine/sql-engine.js';
export { compileReduce, createReducer, type Reducer, type ReduceShape } from './engine/reducer.js';
