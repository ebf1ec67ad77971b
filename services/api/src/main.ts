import { runService } from '@muster/runtime';
import { loadApiConfig } from './config.js';
import { buildApi } from './run.js';

await runService({ name: 'api', env: process.env, load: loadApiConfig, build: buildApi });
