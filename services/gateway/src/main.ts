import { runService } from '@muster/runtime';
import { loadGatewayConfig } from './config.js';
import { buildGateway } from './run.js';

await runService({ name: 'gateway', env: process.env, load: loadGatewayConfig, build: buildGateway });
