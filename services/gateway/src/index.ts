export { buildGateway } from './run.js';
