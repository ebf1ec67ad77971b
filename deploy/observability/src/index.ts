export { generatedFiles } from './generate.js';
export { RULE_GROUPS } from './rules/index.js';
export { selectorsOf, withoutVariables, type Selector } from './promql.js';
