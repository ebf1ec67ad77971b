import { runProgram } from '@muster/runtime';
import { loadSignConfig } from './config.js';
import { runSignRecords } from './run.js';

const write = process.argv.includes('--yes');
await runProgram({
  ...{ name: 'sign-records', env: process.env, load: loadSignConfig },
  build: (config, context) => runSignRecords(config, context, write),
});
