export { createQueryService, type QueryService, type QueryServiceDeps } from './query-service.js';
