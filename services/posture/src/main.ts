import { runService } from '@muster/runtime';
import { loadPostureConfig } from './config.js';
import { buildPostureService } from './run.js';

await runService({ name: 'posture', env: process.env, load: loadPostureConfig, build: buildPostureService });
