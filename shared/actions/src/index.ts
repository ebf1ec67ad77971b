export type { ActionDefinition, ActionPlatform, Fault, ObjectParams, RowShape } from './catalogue/action.js';
export { ACTIONS, findAction } from './catalogue/catalogue.js';
export { UNDO_ACTION } from './catalogue/agent.js';
export { parseParams, type ParsedParams } from './params.js';
export { paramRules, paramsSchema } from './params-schema.js';
export { isBoundToRows, parseBinding, shapesOf, type Bindable, type ParsedBinding } from './binding.js';
export { paramFromText } from './text-params.js';
export { durationMs } from './catalogue/fields.js';
