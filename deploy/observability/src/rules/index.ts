import type { RuleGroup } from '../build/rule.js';
import { audit } from './audit.js';
import { brokers } from './brokers.js';
import { commands } from './commands.js';
import { enrolment } from './enrolment.js';
import { gateways } from './gateways.js';
import { posture } from './posture.js';
import { queries } from './queries.js';
import { services } from './services.js';
import { slos } from './slos.js';
import { telemetry } from './telemetry.js';
import { webhooks } from './webhooks.js';

/** One line for each file of this folder. */
export const RULE_GROUPS: readonly RuleGroup[] = [
  services,
  gateways,
  brokers,
  queries,
  commands,
  audit,
  enrolment,
  posture,
  telemetry,
  webhooks,
  slos,
];
