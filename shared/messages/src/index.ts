export * from './subjects.js';
export * from './codec.js';
export * from './query-messages.js';
export * from './query-requests.js';
export * from './gateway-messages.js';
export * from './traffic-counters.js';
export * from './command-messages.js';
export * from './command-requests.js';
