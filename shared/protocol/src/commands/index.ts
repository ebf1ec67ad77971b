export * from './states.js';
export * from './merkle.js';
export * from './claims.js';
export * from './journal.js';
export * from './fold.js';
export * from './requests.js';
export * from './summary.js';
export * from './gateway-messages.js';
