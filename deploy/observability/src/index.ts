export { generatedFiles, RUNBOOK } from './generate.js';
export { DASHBOARDS } from './dashboards/index.js';
export { RULE_GROUPS } from './rules/index.js';
export { isAlert, type AlertRule, type Rule, type RuleGroup } from './build/rule.js';
