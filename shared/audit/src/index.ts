export * from './audit-trail.js';
export * from './journal-records.js';
export * from './replay-journal.js';
