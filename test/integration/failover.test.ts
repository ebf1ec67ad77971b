import { failoverCases } from './failover-cases.js';

// Each channel alone, with more endpoints: failover.long.test.ts
failoverCases('mixed', 300);
