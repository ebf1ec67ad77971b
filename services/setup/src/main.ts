import { runProgram } from '@muster/runtime';
import { loadSetupConfig } from './config.js';
import { runSetup } from './run.js';

await runProgram({ name: 'setup', env: process.env, load: loadSetupConfig, build: runSetup });
