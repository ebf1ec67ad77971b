export { loadApiConfig, type ApiConfig } from './config.js';
export { buildApi } from './run.js';
