export * from './directory.js';
export * from './directory-writer.js';
export * from './endpoint.js';
