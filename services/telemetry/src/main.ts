import { runService } from '@muster/runtime';
import { loadTelemetryConfig } from './config.js';
import { buildTelemetryService } from './run.js';

await runService({ name: 'telemetry', env: process.env, load: loadTelemetryConfig, build: buildTelemetryService });
