import { fleetCases, vanishingCases } from './fleet-cases.js';

fleetCases('live', 5_000);
// As many agents that poll every second would keep a machine busy.
fleetCases('poll', 1_500);
vanishingCases(600);
