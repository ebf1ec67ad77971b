import { fleetCases, vanishingCases } from './fleet-cases.js';

// Thousands: fleet.long.test.ts
fleetCases('live', 1_200);
fleetCases('poll', 400);
vanishingCases(300);
