export { platformTables, type PlatformTables } from './tables/index.js';
