export * from './subjects.js';
export * from './bus-messages.js';
export * from './traffic-counters.js';
export * from './query-requests.js';
export * from './command-requests.js';
export * from './command-summary.js';
export * from './command-deliveries.js';
