import type { DashboardSpec } from '../build/dashboard.js';
import { brokers } from './brokers.js';
import { endpoint } from './endpoint.js';
import { fleetHealth } from './fleet-health.js';
import { gateways } from './gateways.js';
import { hostMetrics } from './host-metrics.js';
import { posture } from './posture.js';
import { queriesAndCommands } from './queries-and-commands.js';
import { services } from './services.js';
import { serviceLevels } from './slos.js';

/** One line for each file of this folder. */
export const DASHBOARDS: readonly DashboardSpec[] = [
  fleetHealth,
  endpoint,
  gateways,
  queriesAndCommands,
  posture,
  brokers,
  services,
  hostMetrics,
  serviceLevels,
];
