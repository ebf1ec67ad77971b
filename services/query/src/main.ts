import { runService } from '@muster/runtime';
import { loadQueryConfig } from './config.js';
import { buildQueryService } from './run.js';

await runService({ name: 'query', env: process.env, load: loadQueryConfig, build: buildQueryService });
