import { failoverCases } from './failover-cases.js';

for (const channel of ['live', 'poll'] as const) failoverCases(channel, 400);
