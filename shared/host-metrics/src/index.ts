/**
 * What endpoints measure of themselves: names, units, and the encoding of samples. Imports nothing of Node, so that a
 * browser can use it.
 */
export * from './catalogue.js';
export * from './sample.js';
export * from './sample-codec.js';
export * from './history-kinds.js';
export * from './keyframe-reader.js';
export * from './history-encoder.js';
export * from './history-codec.js';
export * from './history-cursor.js';
export * from './sample-scanner.js';
export * from './partition.js';
export { MAX_INTEGER } from './varint.js';
export { MalformedBytes } from '@muster/protocol/byte-stream';
