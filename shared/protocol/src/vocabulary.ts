/**
 * What the API's people-facing side shares with the agents' wire: ids, limits, error codes, outcomes, states, labels and selectors. Imports
 * nothing of Node, so that a browser can use it as `@muster/protocol/vocabulary`.
 */
export * from './ids.js';
export * from './limits.js';
export * from './sql-parameters.js';
export * from './outcomes.js';
export * from './check-outcomes.js';
export * from './vulnerabilities.js';
export * from './errors.js';
export * from './labels.js';
export * from './selector.js';
export * from './unique-names.js';
export * from './session-modes.js';
export * from './command-states.js';
