import { runService } from '@muster/runtime';
import { loadCommandConfig } from './config.js';
import { buildCommandService } from './run.js';

await runService({ name: 'command', env: process.env, load: loadCommandConfig, build: buildCommandService });
